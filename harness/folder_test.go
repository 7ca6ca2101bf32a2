package harness

import (
	"os"
	"path/filepath"
	"testing"
)

// A file that cannot be put in its place leaves nothing beside it.
func TestFolderPut(t *testing.T) {
	f := &Folder{path: t.TempDir()}
	if err := f.put("a/b.json", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(f.path, "a", "c.json", "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := f.put("a/c.json", []byte("{}")); err == nil {
		t.Error("a folder is replaced")
	}
	left, err := os.ReadDir(filepath.Join(f.path, "a"))
	if err != nil || len(left) != 2 {
		t.Errorf("got %v, %v", left, err)
	}
}
