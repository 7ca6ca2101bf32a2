package istio

import (
	"fmt"
	"strings"

	"github.com/faildrill/faildrill/harness/xds"
)

// Mark says how the rules of a release are known.
type Mark string

// The marks of a profile's halves.
const (
	Measured   Mark = "measured"    // compared with the running program
	FromSource Mark = "from source" // read in its source, changelog or release notes
)

// Profile is the pair of releases whose rules a prediction follows.
type Profile struct {
	Istio     string    `json:"istio"` // 1.31
	Envoy     string    `json:"envoy"` // 1.39
	IstioMark Mark      `json:"istioMark"`
	EnvoyMark Mark      `json:"envoyMark"`
	Rules     xds.Rules `json:"rules"` // what the Envoy half means to the engine
}

func (p Profile) String() string {
	return fmt.Sprintf("istio %s (%s), envoy %s (%s)", p.Istio, p.IstioMark, p.Envoy, p.EnvoyMark)
}

// ProfileRow is one Istio release with the Envoy that it ships.
type ProfileRow struct {
	Istio     string `json:"istio"`
	Envoy     string `json:"envoy"`
	IstioMark Mark   `json:"istioMark"`
	EnvoyMark Mark   `json:"envoyMark"`
}

// The releases that faildrill knows. Istio 1.x ships Envoy 1.(x+8): istio/proxy
// pins an Envoy commit in WORKSPACE and, from 1.28 on, writes the version beside
// it; ENVOY_VERSION.txt of release-1.28, 1.29, 1.30 and 1.31 says 1.36.10-dev,
// 1.37.6-dev, 1.38.4-dev and 1.39.1-dev (snapshot of 22 August 2026). Before
// 1.28 the dates of the pinned commits lie on the matching Envoy lines: 1.20.0
// pins 8 November 2023, three weeks after Envoy 1.28.0.
//
// Measured against the programs: istiod of the 1.31 branch; Envoy 1.36.2 to
// 1.40.0. Envoy 1.40 is newer than any Istio release here and can be named by itself.
const (
	oldestIstio, newestIstio = 13, 31
	measuredIstio            = 31
	envoyAhead               = 8
	oldestEnvoy, newestEnvoy = oldestIstio + envoyAhead, 40
	measuredEnvoy            = 36 // and later

	profileUsage = `expected a release of Istio such as "1.31", or "istio=1.31,envoy=1.40"`
)

// Profiles is the table behind "explain profile", newest first.
func Profiles() []ProfileRow {
	var rows []ProfileRow
	for minor := newestIstio; minor >= oldestIstio; minor-- {
		p := profileOf(release{minor, lastPatch}, release{minor + envoyAhead, lastPatch})
		rows = append(rows, ProfileRow{
			Istio: line(minor), Envoy: line(minor + envoyAhead),
			IstioMark: p.IstioMark, EnvoyMark: p.EnvoyMark,
		})
	}
	return rows
}

// DefaultProfile is the newest Istio release with the Envoy that it ships.
func DefaultProfile() Profile {
	return profileOf(release{newestIstio, lastPatch}, release{newestIstio + envoyAhead, lastPatch}).
		named(line(newestIstio), line(newestIstio+envoyAhead))
}

// ParseProfile reads "1.31" (that Istio with the Envoy it ships), "envoy=1.36.2"
// (the default Istio with that Envoy) or "istio=1.31,envoy=1.40". A patch is
// optional; without one the last of the line is meant.
func ParseProfile(text string) (Profile, error) {
	var istio, envoy string
	for _, part := range strings.Split(text, ",") {
		key, value, found := strings.Cut(strings.TrimSpace(part), "=")
		if !found {
			key, value = "istio", key
		}
		into := &istio
		switch key {
		case "istio":
		case "envoy":
			into = &envoy
		default:
			return Profile{}, fmt.Errorf("unknown half %q of profile %q; %s", key, text, profileUsage)
		}
		if value == "" {
			return Profile{}, fmt.Errorf("profile %q names no release of %s; %s", text, key, profileUsage)
		}
		if *into != "" {
			return Profile{}, fmt.Errorf("profile %q names %s twice; %s", text, key, profileUsage)
		}
		*into = value
	}
	if istio == "" {
		istio = line(newestIstio)
	}
	i, err := knownRelease("Istio", istio, oldestIstio, newestIstio)
	if err != nil {
		return Profile{}, err
	}
	e := release{i.minor + envoyAhead, lastPatch}
	if envoy == "" {
		envoy = line(e.minor)
	} else if e, err = knownRelease("Envoy", envoy, oldestEnvoy, newestEnvoy); err != nil {
		return Profile{}, err
	}
	return profileOf(i, e).named(strings.TrimPrefix(istio, "v"), strings.TrimPrefix(envoy, "v")), nil
}

// SameLine reports whether two releases differ in their patch at most: 1.40 and 1.40.2.
func SameLine(a, b string) bool { return minorOf(a) == minorOf(b) }

// minorOf is the release without its patch: 1.40 of 1.40.0.
func minorOf(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

func line(minor int) string { return fmt.Sprintf("1.%d", minor) }

func knownRelease(what, text string, oldest, newest int) (release, error) {
	r, err := parseRelease(text)
	if err != nil {
		return r, fmt.Errorf("%s release %w", what, err)
	}
	if r.minor < oldest || r.minor > newest {
		return r, fmt.Errorf("unknown %s release %q; known are 1.%d to 1.%d", what, text, oldest, newest)
	}
	return r, nil
}

func profileOf(i, e release) Profile {
	p := Profile{IstioMark: FromSource, EnvoyMark: FromSource, Rules: versions{i, e}.envoyRules()}
	if i.minor == measuredIstio {
		p.IstioMark = Measured
	}
	if e.minor >= measuredEnvoy {
		p.EnvoyMark = Measured
	}
	return p
}

func (p Profile) named(istio, envoy string) Profile {
	p.Istio, p.Envoy = istio, envoy
	return p
}

// versions takes the releases apart; a profile that was not made by this package counts as the default.
func (p Profile) versions() versions {
	i, erri := parseRelease(p.Istio)
	e, erre := parseRelease(p.Envoy)
	if erri != nil || erre != nil {
		return versions{release{newestIstio, lastPatch}, release{newestIstio + envoyAhead, lastPatch}}
	}
	return versions{i, e}
}
