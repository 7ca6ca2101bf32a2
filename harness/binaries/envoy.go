package binaries

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
)

// envoyName is the program in its folder of the cache.
const envoyName = "envoy"

// Envoy is a release of Envoy from the user's cache: "1.40.0", or "1.40" for the
// newest known one of it. The error is an UnknownVersionError, a NotFoundError,
// or says what is wrong with the file.
func Envoy(version string) (Binary, error) {
	c, err := Default()
	if err != nil {
		return Binary{}, err
	}
	return c.Envoy(version)
}

// Envoy is the same from this cache.
func (c Cache) Envoy(version string) (Binary, error) {
	v, err := Resolve(version)
	if err != nil {
		return Binary{}, err
	}
	b, err := c.envoyIn(context.Background(), c.envoyDir(v), v)
	if errors.Is(err, fs.ErrNotExist) {
		return Binary{}, &NotFoundError{What: "envoy " + v, Fix: "faildrill fetch envoy@" + v}
	}
	return b, err
}

func (c Cache) envoyDir(version string) string {
	return filepath.Join(c.Dir, "envoy", version+"-"+c.GOOS+"-"+c.GOARCH)
}

// envoyIn is the Envoy in a folder, which has to be of this release.
func (c Cache) envoyIn(ctx context.Context, dir, version string) (Binary, error) {
	b, err := c.identify(ctx, filepath.Join(dir, envoyName), askEnvoy)
	if err == nil && b.Version != version {
		return Binary{}, fmt.Errorf("%s says that it is envoy %s, expected %s", b.Path, b.Version, version)
	}
	return b, err
}

// envoyVersion is the version in "envoy  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL".
var envoyVersion = regexp.MustCompile(`version: [^/\s]*/([^/\s]+)/`)

var askEnvoy = question{
	args: []string{"--version"},
	answer: func(out []byte) (string, error) {
		m := envoyVersion.FindSubmatch(out)
		if m == nil {
			return "", fmt.Errorf("no version in its answer %q", out)
		}
		return string(m[1]), nil
	},
}
