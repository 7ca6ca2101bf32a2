package model_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/backend/backendtest"
	"github.com/faildrill/faildrill/harness/backend/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBackend(t *testing.T) {
	backendtest.Run(t, func() backend.Backend { return model.Backend{} }, backendtest.Options{Virtual: true})
}
