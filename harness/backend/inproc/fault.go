package inproc

import (
	"fmt"

	"github.com/faildrill/faildrill/harness/schedule"
)

// fanOut lists the addresses of the upstream on which a fault has to be applied
// apart, as indexes into IPs; -1 is all of them at once. On loopback a port of
// the schedule is as many ports as the upstream has addresses. None: the
// upstream does not listen on the fault's port.
func fanOut(f *schedule.Fault, u *schedule.Upstream) []int {
	switch {
	case f.Port == 0:
		return []int{-1}
	case !u.Listens(f.Port):
		return nil
	case len(u.Ports) == 1:
		return []int{-1}
	}
	var ips []int
	for i := range u.IPs {
		ips = append(ips, i)
	}
	return ips
}

// mockName is a name that a fake upstream accepts: the step's number keeps it
// apart from others.
func mockName(step, ip int) string {
	if ip < 0 {
		return fmt.Sprintf("step-%d", step)
	}
	return fmt.Sprintf("step-%d-address-%d", step, ip)
}
