package kindup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/faildrill/faildrill/harness/images"
)

// docker runs the command line of Docker, whose words are the error.
func docker(ctx context.Context, stdin []byte, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("docker is not installed")
	}
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("docker %s: %s", args[0], lastLine(said.String(), err))
	}
	return strings.TrimSpace(out.String()), nil
}

// reach says why Docker cannot be asked for anything.
func reach(ctx context.Context) error {
	if _, err := docker(ctx, nil, "info", "--format", "{{.ServerVersion}}"); err != nil {
		return fmt.Errorf("kind needs Docker: %w", err)
	}
	return nil
}

func lastLine(text string, err error) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if l := lines[len(lines)-1]; l != "" {
		return l
	}
	return err.Error()
}

// imageID is what Docker calls an image; "": it has none of the name.
func imageID(ctx context.Context, image string) (string, error) {
	return docker(ctx, nil, "image", "ls", "--quiet", "--no-trunc", "--filter", "reference="+image)
}

// ensure has Docker load the archives that it lacks.
func ensure(ctx context.Context, im images.Images, say Say) error {
	for image, archive := range im.Archives {
		id, err := imageID(ctx, image)
		if err != nil {
			return err
		}
		if id != "" {
			continue
		}
		say("loading %s into Docker", image)
		if _, err := docker(ctx, nil, "load", "--quiet", "--input", archive); err != nil {
			return fmt.Errorf("%w; the archive is %s", err, archive)
		}
	}
	return nil
}
