package child

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
)

// role is what this program is for a test: the parent of a play, or its child.
const role = "FAILDRILL_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "parent":
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), role+"=child")
		fmt.Fprintln(os.Stderr, Run(context.Background(), cmd, os.Args[1], &backend.Collector{}))
		os.Exit(1)
	case "child":
		os.Exit(Serve(undoes, func(_ []byte, played <-chan struct{}) { <-played }))
	}
	os.Exit(m.Run())
}

// undoes is a play that has something to undo, and whose libraries talk.
func undoes(ctx context.Context, job []byte, _ backend.Sink) (Rest, error) {
	var dir string
	if err := json.Unmarshal(job, &dir); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "begun"), nil, 0o644); err != nil {
		return nil, err
	}
	<-ctx.Done()
	for range 3 {
		fmt.Fprintln(os.Stderr, "a connection was lost")
	}
	return nil, os.WriteFile(filepath.Join(dir, "undone"), nil, 0o644)
}

// A child whose parent was killed undoes what it did, though nobody hears what it says meanwhile.
func TestOrphanUndoes(t *testing.T) {
	dir := t.TempDir()
	parent := exec.Command(os.Args[0], dir)
	parent.Env = append(os.Environ(), role+"=parent")
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, filepath.Join(dir, "begun"))
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // it was killed
	await(t, filepath.Join(dir, "undone"))
}

func await(t *testing.T, name string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(name); err == nil {
			return
		}
	}
	t.Fatalf("%s was not there within 20 s", name)
}
