package kindup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"github.com/faildrill/faildrill/harness/binaries"
)

// The images of faildrill's own programs. Their names end in a hash of what is in them.
type ownImage struct {
	program    string // its file name
	variable   string // names the program's file
	dockerfile func(base string) string
}

var (
	mockImage = ownImage{"mockupstream", "FAILDRILL_MOCKUPSTREAM", func(string) string {
		return "FROM scratch\nCOPY mockupstream /mockupstream\nENTRYPOINT [\"/mockupstream\"]\n"
	}}
	agentImage = ownImage{"faildrill-agent", "FAILDRILL_AGENT", func(base string) string {
		return "FROM " + base + "\nCOPY faildrill-agent /faildrill-agent\nUSER 65532:65532\nENTRYPOINT [\"/faildrill-agent\"]\nCMD [\"sleep\"]\n"
	}}
)

// errStatic says that a program would not start in an image that has nothing else.
var errStatic = errors.New("it is not a static program for Linux; make build builds it")

// find is the program's file.
func (o ownImage) find() (string, error) {
	p, err := binaries.Own(o.program, o.variable)
	if errors.Is(err, binaries.ErrNowhere) {
		return "", fmt.Errorf("%s is neither beside faildrill nor in PATH; build it: make build, or set $%s", o.program, o.variable)
	}
	if err != nil {
		return "", err
	}
	return p, o.static(p)
}

func (o ownImage) static(name string) error {
	f, err := elf.Open(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, errStatic)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("%s: %w", name, errStatic)
		}
	}
	return nil
}

// build has Docker make the image, unless it has it, and is its name. It is an error
// that Docker lacks it if it may not be made.
func (o ownImage) build(ctx context.Context, base string, say Say, make bool) (string, error) {
	file, err := o.find()
	if err != nil {
		return "", err
	}
	program, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	dockerfile := o.dockerfile(base)
	h := sha256.New()
	fmt.Fprintf(h, "%d %s", len(dockerfile), dockerfile)
	h.Write(program)
	image := "faildrill/" + o.program + ":" + hex.EncodeToString(h.Sum(nil))[:12]
	id, err := imageID(ctx, image)
	if err != nil || id != "" {
		return image, err
	}
	if !make {
		return image, fmt.Errorf("%w (Docker has no %s)", ErrDown, image)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range []struct {
		name string
		mode int64
		text []byte
	}{{"Dockerfile", 0o644, []byte(dockerfile)}, {o.program, 0o755, program}} {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.text))}); err != nil {
			return "", err
		}
		if _, err := w.Write(f.text); err != nil {
			return "", err
		}
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	say("building the image %s", image)
	_, err = docker(ctx, b.Bytes(), "build", "--quiet", "--tag", image, "-")
	return image, err
}
