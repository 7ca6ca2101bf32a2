package mockupstreams

import (
	"errors"
	"strings"
	"testing"
)

func TestBlackholeIsForTheDialer(t *testing.T) {
	err := unstarted(t, 0).Apply(Fault{Name: "lost", Blackhole: true})
	if !errors.Is(err, ErrUnsupported) || !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "dialer") {
		t.Errorf("got %v, want ErrUnsupported that names the dialer", err)
	}
}
