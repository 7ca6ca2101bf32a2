package kindup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
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

// answersWithin bounds how long Docker may take to say that it is there.
const answersWithin = 10 * time.Second

// reach says why Docker cannot be asked for anything.
func reach(ctx context.Context) error {
	asking, stop := context.WithTimeout(ctx, answersWithin)
	defer stop()
	_, err := docker(asking, nil, "version", "--format", "{{.Server.Version}}")
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("it does not answer within %v", answersWithin)
	}
	if err != nil && ctx.Err() == nil {
		return errors.New("kind needs Docker: " + strings.TrimPrefix(err.Error(), "docker version: "))
	}
	return err
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
	id, _, err := inspect(ctx, image)
	return id, err
}

// inspect is what Docker calls an image, and its size in bytes; "": it has none of the name.
func inspect(ctx context.Context, image string) (id string, size int64, err error) {
	said, err := docker(ctx, nil, "image", "inspect", "--format", "{{.Id}} {{.Size}}", image)
	if err != nil {
		if strings.Contains(strings.ToLower(err.Error()), "no such image") {
			err = nil
		}
		return "", 0, err
	}
	id, bytes, _ := strings.Cut(said, " ")
	size, err = strconv.ParseInt(bytes, 10, 64)
	return id, size, err
}
