// Package needs finds what a test needs and not every machine has: real programs,
// and namespaces.
//
//	istiod := needs.Istiod(t).Path     // or the test is skipped
//
// Where FAILDRILL_TEST_REQUIRE is set the test fails instead: a machine of CI has all
// of it, and a skip there would hide what no longer works.
package needs

import (
	"errors"
	"os"
	"testing"

	"github.com/faildrill/faildrill/harness/binaries"
	"github.com/faildrill/faildrill/harness/sandbox"
)

// RequireVariable makes a failure of what is missing, whatever its value.
const RequireVariable = "FAILDRILL_TEST_REQUIRE"

// Missing ends a test: this machine cannot run it.
func Missing(t testing.TB, why any) {
	t.Helper()
	if os.Getenv(RequireVariable) != "" {
		t.Fatalf("$%s is set, and the test cannot run: %v", RequireVariable, why)
	}
	t.Skip(why)
}

// Namespaces wants those of package sandbox.
func Namespaces(t testing.TB) {
	t.Helper()
	if err := sandbox.Check(); err != nil {
		Missing(t, err)
	}
}

// Envoy is the newest one in the cache.
func Envoy(t testing.TB) binaries.Binary {
	t.Helper()
	all := binaries.Envoys()
	if len(all) == 0 {
		Missing(t, "no Envoy in the cache: faildrill fetch envoy@1.40")
	}
	return all[len(all)-1]
}

// Istiod is the real one. One that is there and does not work is a failure.
func Istiod(t testing.TB) binaries.Binary {
	t.Helper()
	b, err := binaries.Istiod()
	return found(t, b, err)
}

// Istioctl is the real one, likewise.
func Istioctl(t testing.TB) binaries.Binary {
	t.Helper()
	b, err := binaries.Istioctl()
	return found(t, b, err)
}

func found(t testing.TB, b binaries.Binary, err error) binaries.Binary {
	t.Helper()
	var absent *binaries.NotFoundError
	switch {
	case errors.As(err, &absent):
		Missing(t, err)
	case err != nil:
		t.Fatal(err)
	}
	return b
}
