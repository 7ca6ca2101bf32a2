package istio

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/faildrill/faildrill/harness/xds"
)

func TestParseProfile(t *testing.T) {
	for _, c := range []struct {
		text, istio, envoy   string
		istioMark, envoyMark Mark
	}{
		{"1.31", "1.31", "1.39", Measured, Measured},
		{"istio=1.31", "1.31", "1.39", Measured, Measured},
		{"1.31.2", "1.31.2", "1.39", Measured, Measured},
		{"1.30", "1.30", "1.38", FromSource, Measured},
		{"1.20", "1.20", "1.28", FromSource, FromSource},
		{"1.19", "1.19", "1.27", FromSource, FromSource},
		{"1.13", "1.13", "1.21", FromSource, FromSource},
		{"envoy=1.36.2", "1.31", "1.36.2", Measured, Measured},
		{"istio=1.31,envoy=1.40", "1.31", "1.40", Measured, Measured},
		{" istio=1.19 , envoy=v1.40.0-dev", "1.19", "1.40.0-dev", FromSource, Measured},
		{"istio=1.31,envoy=1.35.9", "1.31", "1.35.9", Measured, FromSource},
	} {
		p, err := ParseProfile(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if p.Istio != c.istio || p.Envoy != c.envoy || p.IstioMark != c.istioMark || p.EnvoyMark != c.envoyMark {
			t.Errorf("%q: got %v", c.text, p)
		}
	}
	for text, want := range map[string]string{
		"":                       `names no release of istio`,
		"1.12":                   `unknown Istio release "1.12"; known are 1.13 to 1.31`,
		"1.32":                   `unknown Istio release "1.32"; known are 1.13 to 1.31`,
		"1.3":                    `unknown Istio release "1.3"; known are 1.13 to 1.31`,
		"envoy=1.41":             `unknown Envoy release "1.41"; known are 1.21 to 1.40`,
		"envoy=1.20":             `unknown Envoy release "1.20"; known are 1.21 to 1.40`,
		"latest":                 `"latest" is not a release`,
		"2.1":                    `"2.1" is not a release`,
		"1.31.2.3":               `is not a release`,
		"1.x":                    `is not a release`,
		"linkerd=1":              `unknown half "linkerd"`,
		"1.31,istio=1.30":        `names istio twice`,
		"istio=":                 `names no release of istio`,
		"istio=1.31,envoy=1.40,": `names no release of istio`,
	} {
		_, err := ParseProfile(text)
		if err == nil {
			t.Errorf("%q: no error", text)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	if got, want := DefaultProfile(), profile(t, "1.31"); got != want {
		t.Errorf("default: got %v, want %v", got, want)
	}
}

func TestProfiles(t *testing.T) {
	rows := Profiles()
	if len(rows) != 19 || rows[0] != (ProfileRow{"1.31", "1.39", Measured, Measured}) || rows[18] != (ProfileRow{"1.13", "1.21", FromSource, FromSource}) {
		t.Fatalf("got %v", rows)
	}
	for _, r := range rows {
		if p := profile(t, r.Istio); p.Envoy != r.Envoy || p.IstioMark != r.IstioMark || p.EnvoyMark != r.EnvoyMark {
			t.Errorf("%s: the table has %v, the profile %v", r.Istio, r, p)
		}
	}
}

// The first release in which each Envoy switch is on; FirstEjectionAlwaysAllowed goes off.
func TestEnvoyRules(t *testing.T) {
	for field, since := range map[string]string{
		"FirstEjectionAlwaysAllowed": "-1.28", "DecayNeedsHealthyInterval": "1.28", "DrainingExcluded": "1.30", "SchedulerRandomStart": "1.30",
		"LocalitySchedulerPerWorker": "1.36", "ActiveOverflowCounter": "1.38", "RetryCountedAtStart": "1.38", "BodyHidesTransportReason": "1.38",
		"DetectsDegradedHosts": "1.38", "LogicalDNSReplacesHost": "1.39", "HostnameInIdentity": "1.39", "PendingFailOldestFirst": "1.40",
		"EDSHealthChangeImmediate": "1.40", "DualDNSFailureKeepsHosts": "1.40",
	} {
		since, off := strings.CutPrefix(since, "-")
		first, _ := parseRelease(since)
		for minor := oldestEnvoy; minor <= newestEnvoy; minor++ {
			r := profile(t, "envoy="+line(minor)).Rules
			if got, want := reflect.ValueOf(r).FieldByName(field).Bool(), (minor >= first.minor) != off; got != want {
				t.Errorf("%s in Envoy 1.%d: got %v, want %v", field, minor, got, want)
			}
		}
	}
	if n := reflect.TypeFor[xds.Rules]().NumField(); n != 14 {
		t.Errorf("xds.Rules has %d switches, this test knows 14", n)
	}
	// Two changes came inside a line.
	if r := profile(t, "envoy=1.38.0").Rules; r.RetryCountedAtStart || r.BodyHidesTransportReason || !r.ActiveOverflowCounter {
		t.Errorf("1.38.0: got %+v", r)
	}
}

func TestChanges(t *testing.T) {
	seen := map[string]bool{}
	rules := map[RuleID]bool{}
	for _, r := range Rules() {
		rules[r] = true
	}
	for _, c := range Changes() {
		if seen[c.Name] {
			t.Errorf("%s is there twice", c.Name)
		}
		seen[c.Name] = true
		if _, err := parseRelease(c.Since); err != nil || c.What == "" || c.Source == "" || !strings.HasPrefix(c.Name, string(c.Half)+"/") {
			t.Errorf("bad row: %+v", c)
		}
		if c.Half == IstioHalf && !rules[RuleID(c.Name)] {
			t.Errorf("%s is not a rule", c.Name)
		}
	}
}

// Every rule is listed once, and code names it.
func TestRules(t *testing.T) {
	list, err := os.ReadFile("rules.go")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	files, _ := filepath.Glob("*.go")
	for _, f := range files {
		if f != "rules.go" && f != "version.go" && !strings.HasSuffix(f, "_test.go") {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			code.Write(text)
		}
	}
	defined := 0
	for _, l := range strings.Split(string(list), "\n") {
		name, _, found := strings.Cut(strings.TrimSpace(l), " ")
		if !found || !strings.Contains(l, `RuleID = "istio/`) {
			continue
		}
		defined++
		if strings.Count(string(list), name+",")+strings.Count(string(list), name+"\n") == 0 {
			t.Errorf("%s is not in Rules()", name)
		}
		if !strings.Contains(code.String(), name) {
			t.Errorf("no code names %s", name)
		}
	}
	seen := map[RuleID]bool{}
	for _, r := range Rules() {
		if seen[r] {
			t.Errorf("%s is listed twice", r)
		}
		seen[r] = true
	}
	if defined != len(Rules()) {
		t.Errorf("%d rules are defined, %d listed", defined, len(Rules()))
	}
}

// Every field in the table exists, and every field of the messages we read is in the table.
func TestFieldsExist(t *testing.T) {
	exists := map[string]bool{}
	var visit func(protoreflect.MessageDescriptor)
	visit = func(m protoreflect.MessageDescriptor) {
		for i := range m.Fields().Len() {
			fd := m.Fields().Get(i)
			name := strings.TrimPrefix(string(fd.FullName()), "istio.networking.v1alpha3.")
			if exists[name] {
				continue
			}
			exists[name] = true
			f, known := fields[name]
			if !known {
				t.Errorf("%s is in the API and not in the table", name)
				continue
			}
			if read := f.unread == nil || conditional[name]; read && fd.Message() != nil && !fd.IsMap() &&
				!strings.HasPrefix(string(fd.Message().FullName()), "google.protobuf.") {
				visit(fd.Message())
			}
		}
	}
	for _, m := range []protoreflect.ProtoMessage{&networking.ServiceEntry{}, &networking.DestinationRule{}, &networking.VirtualService{}} {
		visit(m.ProtoReflect().Descriptor())
	}
	for name := range fields {
		if !exists[name] {
			t.Errorf("%s is in the table and not in the API, or below a field that is not read", name)
		}
	}
}

// Messages that are read for some values.
var conditional = map[string]bool{"HTTPRoute.route": true, "HTTPMatchRequest.uri": true}
