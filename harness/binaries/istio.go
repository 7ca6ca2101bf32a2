package binaries

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// IstioVersion is the version that istiod and istioctl are built to say.
const IstioVersion = "1.31.0"

// The programs that make tools builds, by their names in the cache.
const (
	IstiodName   = "pilot-discovery"
	IstioctlName = "istioctl"
)

// IstioPackages are what make tools builds, from the module hack/tools/istio.
func IstioPackages() []string {
	return []string{"istio.io/istio/pilot/cmd/" + IstiodName, "istio.io/istio/istioctl/cmd/" + IstioctlName}
}

// IstioFlags are the flags of that build. Without the version set the programs
// say that they are "unknown", and istiod does not tell proxies its version.
func IstioFlags() []string {
	const v = "istio.io/istio/pkg/version."
	return []string{"-ldflags=-s -w -X " + v + "buildVersion=" + IstioVersion + " -X " + v + "buildTag=" + IstioVersion + " -X " + v + "buildStatus=Clean"}
}

// IstioKey names a build: its version, and a hash of all that decides what comes
// out, Go itself aside.
func IstioKey(goMod, goSum []byte) string {
	h := sha256.New()
	for _, part := range []string{string(goMod), string(goSum), strings.Join(IstioPackages(), " "), strings.Join(IstioFlags(), " ")} {
		fmt.Fprintf(h, "%d %s\n", len(part), part)
	}
	return IstioVersion + "-" + hex.EncodeToString(h.Sum(nil))[:12]
}

// istioKey is IstioKey of hack/tools/istio; a test says when it is stale.
//
//go:embed istio.key
var istioKey string

// IstioDir is the folder of the cache that make tools fills.
func (c Cache) IstioDir() string {
	return filepath.Join(c.Dir, "istio", strings.TrimSpace(istioKey))
}

// Istiod is the istiod of $FAILDRILL_ISTIOD, else the one that make tools built.
func Istiod() (Binary, error) {
	c, err := Default()
	if err != nil {
		return Binary{}, err
	}
	return c.Istiod(os.Getenv("FAILDRILL_ISTIOD"))
}

// Istioctl is the istioctl of $FAILDRILL_ISTIOCTL, else the one that make tools built.
func Istioctl() (Binary, error) {
	c, err := Default()
	if err != nil {
		return Binary{}, err
	}
	return c.Istioctl(os.Getenv("FAILDRILL_ISTIOCTL"))
}

// Istiod is the istiod of a path, else the one in this cache.
func (c Cache) Istiod(path string) (Binary, error) {
	return c.istio(path, "FAILDRILL_ISTIOD", "istiod", IstiodName, "version", "-o", "json")
}

// Istioctl is the istioctl of a path, else the one in this cache.
func (c Cache) Istioctl(path string) (Binary, error) {
	return c.istio(path, "FAILDRILL_ISTIOCTL", "istioctl", IstioctlName, "version", "--remote=false", "-o", "json")
}

func (c Cache) istio(path, variable, what, name string, args ...string) (Binary, error) {
	q := question{args: args, answer: istioAnswer}
	if path != "" {
		b, err := c.identify(context.Background(), path, q)
		if err != nil {
			return Binary{}, fmt.Errorf("$%s: %w", variable, err)
		}
		return b, nil
	}
	b, err := c.identify(context.Background(), filepath.Join(c.IstioDir(), name), q)
	if errors.Is(err, fs.ErrNotExist) {
		return Binary{}, &NotFoundError{What: what, Fix: "make tools in a checkout of faildrill, or set $" + variable}
	}
	return b, err
}

// istioAnswer reads {"clientVersion": {"version": "1.31.0"}}.
func istioAnswer(out []byte) (string, error) {
	var doc struct {
		ClientVersion struct{ Version string }
	}
	if err := json.Unmarshal(out, &doc); err != nil {
		return "", fmt.Errorf("no version in its answer %q: %w", out, err)
	}
	if doc.ClientVersion.Version == "" {
		return "", fmt.Errorf("no version in its answer %q", out)
	}
	return doc.ClientVersion.Version, nil
}
