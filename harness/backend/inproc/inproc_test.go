package inproc_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/backend/backendtest"
	"github.com/faildrill/faildrill/harness/backend/inproc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBackend(t *testing.T) {
	backendtest.Run(t, func() backend.Backend { return inproc.New() }, backendtest.Options{})
}
