package machine

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/faildrill/faildrill/harness/firewall"
)

// Options say what the machine looks like.
type Options struct {
	Network    Network
	Nameserver netip.Addr // what resolv.conf names
}

// Machine is seen from its first process.
type Machine struct {
	Dir     string // in memory
	Network Network

	clients int
}

// homes are where the file system in memory may go: folders that every Linux has
// and that no program is in.
var homes = []string{"/mnt", "/media", "/srv"}

// Enter makes the machine. It is called by the first process, once.
func Enter(o Options) (*Machine, error) {
	if os.Getpid() != 1 {
		return nil, errors.New("entering a machine: not its first process")
	}
	s := &Machine{Network: o.Network}
	if err := s.mounts(o); err != nil {
		return nil, fmt.Errorf("making the file systems of the machine: %w", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err == nil {
		err = s.AddAddress(o.Network.Outer())
	}
	if err != nil {
		return nil, fmt.Errorf("making the network of the machine: %w", err)
	}
	return s, nil
}

func (s *Machine) mounts(o Options) error {
	// Nothing that is mounted here may show outside.
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("/: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	for _, home := range homes {
		if fi, err := os.Stat(home); err == nil && fi.IsDir() {
			s.Dir = home
			break
		}
	}
	if s.Dir == "" {
		return fmt.Errorf("found none of the folders %v", homes)
	}
	if err := unix.Mount("tmpfs", s.Dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("%s: %w", s.Dir, err)
	}
	for name, text := range map[string]string{
		"resolv.conf": fmt.Sprintf("nameserver %v\noptions ndots:0\n", o.Nameserver),
		"hosts":       "127.0.0.1 localhost\n",
	} {
		if err := overlay(filepath.Join(s.Dir, name), "/etc/"+name, text); err != nil {
			return err
		}
	}
	return nil
}

// overlay puts a file of one's own over one of the system.
func overlay(own, system, text string) error {
	if err := os.WriteFile(own, []byte(text), 0o644); err != nil {
		return err
	}
	at, err := filepath.EvalSymlinks(system)
	if errors.Is(err, os.ErrNotExist) {
		return nil // who reads it finds none, and nobody's else
	}
	if err != nil {
		return err
	}
	if err := unix.Mount(own, at, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("%s: %w", system, err)
	}
	return nil
}

// AddAddress makes an address one of the outer namespace; a second time does nothing.
func (s *Machine) AddAddress(ip netip.Addr) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if ip.IsLoopback() {
		return nil
	}
	err = netlink.AddrAdd(lo, &netlink.Addr{IPNet: ipNet(ip, ip.BitLen()), Flags: noDAD(ip)})
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("address %v: %w", ip, err)
	}
	return nil
}

// noDAD makes an IPv6 address usable at once: there is nobody to share it with.
func noDAD(ip netip.Addr) int {
	if ip.Is6() {
		return unix.IFA_F_NODAD
	}
	return 0
}

// Block replaces the firewall's rules for the addresses.
func (*Machine) Block(r firewall.Rules) error { return r.Set() }
