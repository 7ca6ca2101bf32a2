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
	"github.com/faildrill/faildrill/harness/images"
)

// The images of faildrill's own programs. Their names end in a hash of what is in them.
type ownImage struct {
	programs   []ownProgram // the first gives the image its name
	dockerfile func(base string) string
}

type ownProgram struct {
	name     string // of its file
	variable string // names the program's file
}

var (
	mockProgram  = ownProgram{"mockupstream", "FAILDRILL_MOCKUPSTREAM"}
	agentProgram = ownProgram{"faildrill-agent", "FAILDRILL_AGENT"}

	mockImage = ownImage{[]ownProgram{mockProgram}, func(string) string {
		return "FROM scratch\nCOPY mockupstream /mockupstream\nENTRYPOINT [\"/mockupstream\"]\n"
	}}
	// Where the upstreams are pods, they are of the same image: a user pushes one.
	agentImage = ownImage{[]ownProgram{agentProgram, mockProgram}, func(base string) string {
		return "FROM " + base + "\nCOPY faildrill-agent mockupstream /\nUSER 65532:65532\nENTRYPOINT [\"/faildrill-agent\"]\nCMD [\"sleep\"]\n"
	}}
)

// Image is the name of the image that has all that a drill runs in pods, as Up builds it; nobody is asked
// whether there is one.
func Image() (string, error) {
	c, err := binaries.Default()
	if err != nil {
		return "", err
	}
	im, err := images.Find(c, "", images.FromEnvironment()) // Istio's release has no part in it
	if err != nil {
		return "", err
	}
	contents, err := agentImage.contents(im.Base)
	return contents.image, err
}

// errStatic says that a program would not start in an image that has nothing else.
var errStatic = errors.New("it is not a static program for Linux; make build builds it")

// find is the program's file.
func (o ownProgram) find() (string, error) {
	p, err := binaries.Own(o.name, o.variable)
	if errors.Is(err, binaries.ErrNowhere) {
		return "", fmt.Errorf("%s is neither beside faildrill nor in PATH; build it: make build, or set $%s", o.name, o.variable)
	}
	if err != nil {
		return "", err
	}
	return p, static(p)
}

func static(name string) error {
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

// contents are an image's name, and the files that it is made of.
type contents struct {
	image string
	files []file
}

type file struct {
	name string
	mode int64
	text []byte
}

func (o ownImage) contents(base string) (contents, error) {
	dockerfile := o.dockerfile(base)
	c := contents{files: []file{{"Dockerfile", 0o644, []byte(dockerfile)}}}
	h := sha256.New()
	fmt.Fprintf(h, "%d %s", len(dockerfile), dockerfile)
	for _, p := range o.programs {
		path, err := p.find()
		if err != nil {
			return c, err
		}
		program, err := os.ReadFile(path)
		if err != nil {
			return c, err
		}
		fmt.Fprintf(h, "%d ", len(program))
		h.Write(program)
		c.files = append(c.files, file{p.name, 0o755, program})
	}
	c.image = "faildrill/" + o.programs[0].name + ":" + hex.EncodeToString(h.Sum(nil))[:12]
	return c, nil
}

// archive is what Docker builds the image from.
func (c contents) archive() ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range c.files {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.text))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.text); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

// build has Docker make the image, unless it has it, and is its name. It is an error
// that Docker lacks it if it may not be made.
func (o ownImage) build(ctx context.Context, base string, say Say, make bool) (string, error) {
	c, err := o.contents(base)
	if err != nil {
		return "", err
	}
	id, err := imageID(ctx, c.image)
	if err != nil || id != "" {
		return c.image, err
	}
	if !make {
		return c.image, fmt.Errorf("%w (Docker has no %s)", ErrDown, c.image)
	}
	archive, err := c.archive()
	if err != nil {
		return "", err
	}
	say("building the image %s", c.image)
	_, err = docker(ctx, archive, "build", "--quiet", "--tag", c.image, "-")
	return c.image, err
}
