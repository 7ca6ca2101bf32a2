package binaries

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Binary is a program that can be started on this machine.
type Binary struct {
	Path    string `json:"path"`    // absolute
	Version string `json:"version"` // as the program itself says: "1.40.0"
	SHA256  string `json:"sha256"`  // of the program, in hexadecimal
}

// record is what is remembered of a program, so that it need not be asked again
// until its size or time changes.
type record struct {
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	Version  string    `json:"version"`
	SHA256   string    `json:"sha256"`
}

// question is how a program is asked for its version.
type question struct {
	args   []string
	answer func(stdout []byte) (version string, err error)
}

// askedFor is the time a program has to say its version.
const askedFor = 20 * time.Second

// identify checks that a file is a program of this machine, and says which.
func (c Cache) identify(ctx context.Context, path string, q question) (Binary, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Binary{}, err
	}
	i, err := os.Stat(path)
	switch {
	case err != nil:
		return Binary{}, err
	case !i.Mode().IsRegular() || i.Mode()&0o111 == 0:
		return Binary{}, fmt.Errorf("%s is not an executable file", path)
	}
	if err := checkPlatform(path, c.GOOS, c.GOARCH); err != nil {
		return Binary{}, err
	}
	kept := c.recordOf(path)
	var r record
	if b, err := os.ReadFile(kept); err == nil && json.Unmarshal(b, &r) == nil && r.Size == i.Size() && r.Modified.Equal(i.ModTime()) {
		return Binary{Path: path, Version: r.Version, SHA256: r.SHA256}, nil
	}
	r = record{Size: i.Size(), Modified: i.ModTime()}
	if r.Version, err = ask(ctx, path, q); err != nil {
		return Binary{}, err
	}
	if r.SHA256, err = sumOf(path); err != nil {
		return Binary{}, err
	}
	keep(kept, r)
	return Binary{Path: path, Version: r.Version, SHA256: r.SHA256}, nil
}

// recordOf is the file with the record of a program: beside it in the cache, and
// in a folder of the cache for programs elsewhere.
func (c Cache) recordOf(path string) string {
	if rel, err := filepath.Rel(c.Dir, path); err == nil && filepath.IsLocal(rel) {
		return path + ".json"
	}
	name := sha256.Sum256([]byte(path))
	return filepath.Join(c.Dir, "elsewhere", hex.EncodeToString(name[:8])+".json")
}

// keep writes a record. Without it the program is asked again.
func keep(name string, r record) {
	b, err := json.Marshal(r)
	if err != nil || os.MkdirAll(filepath.Dir(name), 0o755) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(name), unfinished)
	if err != nil {
		return
	}
	_, err = f.Write(append(b, '\n'))
	if errors.Join(err, f.Chmod(0o644), f.Close()) != nil || os.Rename(f.Name(), name) != nil {
		_ = os.Remove(f.Name())
	}
}

func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// ask starts a program and reads its version.
func ask(ctx context.Context, path string, q question) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askedFor)
	defer cancel()
	for {
		var stdout, stderr bytes.Buffer
		cmd := exec.CommandContext(ctx, path, q.args...)
		cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &stdout, &stderr, time.Second
		err := cmd.Run()
		// A file that was just written is busy while another child of this
		// process, between its fork and its exec, still holds it open.
		if errors.Is(err, syscall.ETXTBSY) && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if err != nil {
			return "", fmt.Errorf("asking %s for its version: %w%s", path, err, lastLine(stderr.Bytes()))
		}
		v, err := q.answer(stdout.Bytes())
		if err != nil {
			return "", fmt.Errorf("asking %s for its version: %w", path, err)
		}
		return v, nil
	}
}

// lastLine is ": " and the last line of what a program said, if it said anything.
func lastLine(b []byte) string {
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if l := strings.TrimSpace(lines[len(lines)-1]); l != "" {
		return ": " + l
	}
	return ""
}

// checkPlatform reads the head of a program: is it one of this machine?
func checkPlatform(path, goos, goarch string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, 20)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	switch got := platformOf(head[:n]); got {
	case goos + "/" + goarch:
		return nil
	case "":
		return fmt.Errorf("%s is not a program of %s/%s: its head is neither ELF nor Mach-O", path, goos, goarch)
	default:
		return fmt.Errorf("%s is a program of %s; this machine is %s/%s", path, got, goos, goarch)
	}
}

// platformOf tells the platform of a program by its first 20 bytes; "" when they
// are of none. ELF does not tell Linux from other systems: it is taken for Linux.
//
// Source: the header of ELF (e_ident, e_machine at 18), mach/machine.h.
func platformOf(head []byte) string {
	le := binary.LittleEndian
	switch {
	case len(head) >= 20 && bytes.HasPrefix(head, []byte("\x7fELF")):
		const littleEndian = 1
		if head[5] != littleEndian {
			return "linux/a big-endian processor"
		}
		switch m := le.Uint16(head[18:]); m {
		case 62:
			return "linux/amd64"
		case 183:
			return "linux/arm64"
		default:
			return fmt.Sprintf("linux/ELF machine %d", m)
		}
	case len(head) >= 8 && le.Uint32(head) == 0xfeedfacf:
		switch cpu := le.Uint32(head[4:]); cpu {
		case 0x01000007:
			return "darwin/amd64"
		case 0x0100000c:
			return "darwin/arm64"
		default:
			return fmt.Sprintf("darwin/Mach-O processor %#x", cpu)
		}
	}
	return ""
}
