package istio

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	networking "istio.io/api/networking/v1alpha3"

	"pgregory.net/rapid"

	"github.com/faildrill/faildrill/harness/xds"
)

// FuzzTranslate: no message makes the translation panic or change its input, and
// the same input gives the same result.
func FuzzTranslate(f *testing.F) {
	f.Add(`{"hosts":["a.com"],"resolution":"DNS","ports":[{"number":80,"name":"http"}],"endpoints":[{"address":"x.com","locality":"r1","weight":4294967295}]}`,
		`{"host":"a.com","trafficPolicy":{"outlierDetection":{},"loadBalancer":{"localityLbSetting":{"failoverPriority":["a"],"failover":[{"from":"r1","to":"r2"}]}}},"subsets":[{"name":"s"}]}`,
		`{"hosts":["a.com"],"http":[{"route":[{"destination":{"host":"a.com"}}],"retries":{"attempts":3,"retryOn":"503"}}]}`, byte(31))
	f.Add(`{"hosts":["*"],"endpoints":[null,{}],"ports":[null,{}]}`, `{"host":"*","subsets":[null],"trafficPolicy":{"portLevelSettings":[null,{}]}}`, `{"hosts":["","*.a"],"http":[null,{"match":[null],"route":[null,{}]},{"redirect":{}}]}`, byte(13))
	f.Add(`{"resolution":"STATIC","hosts":["a"],"ports":[{"number":1}],"endpoints":[{"address":"1.1.1.1","locality":"///"},{"address":"1.1.1.1"}]}`,
		`{"host":"a","trafficPolicy":{"loadBalancer":{"localityLbSetting":{"distribute":[null,{"from":"*","to":{"*":0,"":4000000000}}]}}}}`, `{}`, byte(20))
	f.Fuzz(func(t *testing.T, se, dr, vs string, minor byte) {
		specs := map[string]proto.Message{"ServiceEntry": &networking.ServiceEntry{}, "DestinationRule": &networking.DestinationRule{}, "VirtualService": &networking.VirtualService{}}
		var rs []*Resource
		for kind, text := range map[string]string{"ServiceEntry": se, "DestinationRule": dr, "VirtualService": vs} {
			if err := specs[kind].(json.Unmarshaler).UnmarshalJSON([]byte(text)); err == nil {
				rs = append(rs, &Resource{Kind: kind, Name: strings.ToLower(kind), Namespace: "default", Spec: specs[kind]})
			}
		}
		var before []proto.Message
		for _, r := range rs {
			before = append(before, proto.Clone(r.Spec))
		}
		rs = append(rs, nil, &Resource{Kind: "Sidecar"}, &Resource{Kind: "DestinationRule", Spec: (*networking.DestinationRule)(nil)})
		p, err := ParseProfile(line(oldestIstio + int(minor)%(newestIstio-oldestIstio+1)))
		if err != nil {
			t.Fatal(err)
		}
		client := Client{Locality: xds.Locality{Region: "r1"}, Labels: map[string]string{"a": "b"}}
		one, two := Translate(rs, client, Mesh{}, p), Translate(rs, client, Mesh{}, p)
		if !reflect.DeepEqual(one, two) {
			t.Fatal("two translations differ")
		}
		for i, m := range before {
			if !proto.Equal(m, rs[i].Spec) {
				t.Fatalf("the translation changed its input: %v", rs[i].Spec)
			}
		}
	})
}

// Random messages with names that meet, so that every rule is reached. Whatever
// they are, a translation ends, repeats itself, keeps its input and is consistent.
func TestRandomResources(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rs []*Resource
		for i := range rapid.IntRange(1, 5).Draw(t, "resources") {
			r := &Resource{Name: string(rune('a' + i)), Namespace: rapid.SampledFrom([]string{"default", "a", "istio-system"}).Draw(t, "namespace")}
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				r.Kind, r.Spec = "ServiceEntry", &networking.ServiceEntry{}
				r.Annotations = map[string]string{trafficDistributionAnnotation: rapid.SampledFrom([]string{"", "PreferClose", "PreferSameNode"}).Draw(t, "annotation")}
			case 1:
				r.Kind, r.Spec = "DestinationRule", &networking.DestinationRule{}
			case 2:
				r.Kind, r.Spec = "VirtualService", &networking.VirtualService{}
			}
			fill(t, r.Spec.ProtoReflect(), 0)
			rs = append(rs, r)
		}
		client := Client{
			Namespace: rapid.SampledFrom([]string{"default", "istio-system"}).Draw(t, "client"), Locality: splitLocality(text.Draw(t, "locality")),
			Labels: map[string]string{"a": text.Draw(t, "label")},
		}
		p := DefaultProfile()
		if rapid.Bool().Draw(t, "old") {
			p, _ = ParseProfile("1.20")
		}
		var before []proto.Message
		for _, r := range rs {
			before = append(before, proto.Clone(r.Spec))
		}
		one, two := Translate(rs, client, Mesh{}, p), Translate(rs, client, Mesh{}, p)
		if !reflect.DeepEqual(one, two) {
			t.Fatal("two translations differ")
		}
		for i, m := range before {
			if !proto.Equal(m, rs[i].Spec) {
				t.Fatalf("the translation changed its input: %v", rs[i].Spec)
			}
		}
		consistent(t, one)
	})
}

// consistent: names are unique, priorities have no gaps, every endpoint and every cluster is explained.
func consistent(t *rapid.T, tr Translation) {
	seen := map[string]bool{}
	for _, c := range tr.Config.Clusters {
		if seen[c.Name] {
			t.Fatalf("cluster %s is there twice", c.Name)
		}
		seen[c.Name] = true
		top, have := uint32(0), map[uint32]bool{0: true}
		for i, l := range c.Localities {
			top, have[l.Priority] = max(top, l.Priority), true
			for j := range l.Endpoints {
				if _, ok := tr.EndpointUse(c.Name, i, j); !ok {
					t.Fatalf("cluster %s: endpoint %d/%d has no use", c.Name, i, j)
				}
			}
		}
		if len(have) != int(top)+1 {
			t.Fatalf("cluster %s: gaps below priority %d", c.Name, top)
		}
		if _, ok := tr.Use(c.Name, PartService); !ok {
			t.Fatalf("cluster %s has no service", c.Name)
		}
	}
	domains := map[string]bool{}
	for _, vh := range tr.Config.VirtualHosts {
		for _, d := range vh.Domains {
			key := fmt.Sprintf("%s %d", strings.ToLower(d), vh.Port)
			if domains[key] {
				t.Fatalf("domain %s is there twice on port %d", d, vh.Port)
			}
			domains[key] = true
		}
	}
}

var text = rapid.SampledFrom([]string{"", "a", "b", "a.com", "*.com", "*", "a/b", "a=b", "10.0.0.1", "HTTP", "TCP", ".", "503,reset", "mesh", "/", "~"})

// fill sets random fields of a message, also null elements of lists.
func fill(t *rapid.T, m protoreflect.Message, depth int) {
	for i := range m.Descriptor().Fields().Len() {
		fd := m.Descriptor().Fields().Get(i)
		if rapid.IntRange(0, 2+depth/3).Draw(t, string(fd.Name())) > 1 {
			continue
		}
		switch {
		case fd.IsMap():
			for range rapid.IntRange(0, 2).Draw(t, "entries") {
				m.Mutable(fd).Map().Set(protoreflect.ValueOfString(text.Draw(t, "key")).MapKey(), scalar(t, fd.MapValue(), m.NewField(fd).Map().NewValue, depth))
			}
		case fd.IsList():
			for range rapid.IntRange(0, 3).Draw(t, "elements") {
				m.Mutable(fd).List().Append(scalar(t, fd, m.NewField(fd).List().NewElement, depth))
			}
		default:
			m.Set(fd, scalar(t, fd, func() protoreflect.Value { return m.NewField(fd) }, depth))
		}
	}
}

func scalar(t *rapid.T, fd protoreflect.FieldDescriptor, zero func() protoreflect.Value, depth int) protoreflect.Value {
	n := rapid.SampledFrom([]int64{0, 1, 2, 3, 50, 80, 100, -1, 1 << 31, 1<<32 - 1})
	switch fd.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(text.Draw(t, "text"))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rapid.Bool().Draw(t, "bool"))
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(n.Draw(t, "int32")))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(n.Draw(t, "uint32")))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(rapid.IntRange(0, 5).Draw(t, "enum")))
	case protoreflect.MessageKind:
		v := zero()
		if fd.Message().FullName() == "google.protobuf.Duration" {
			return protoreflect.ValueOfMessage((&durationpb.Duration{Seconds: n.Draw(t, "seconds"), Nanos: int32(n.Draw(t, "nanos"))}).ProtoReflect())
		}
		if depth < 8 {
			fill(t, v.Message(), depth+1)
		}
		return v
	}
	return zero()
}
