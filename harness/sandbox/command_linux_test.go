package sandbox

import (
	"os"
	"strings"
	"testing"
)

func TestRemedy(t *testing.T) {
	if os.Geteuid() == 0 {
		if got := remedy(func(string) string { return "1" }); !strings.Contains(got, "CAP_SYS_ADMIN") {
			t.Errorf("got %q", got)
		}
		return
	}
	got := remedy(func(name string) string {
		return map[string]string{"kernel.apparmor_restrict_unprivileged_userns": "1"}[name]
	})
	if !strings.Contains(got, "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0") {
		t.Errorf("got %q", got)
	}
}
