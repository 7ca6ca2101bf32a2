package envoyconfig

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/faildrill/faildrill/harness/xds"
)

// silent are the fields that change no message, each with the reason.
var silent = map[string]string{
	"Cluster.ZoneAware.Own":                        "the proxy's own locality is in the bootstrap's node",
	"Cluster.ZoneAware.Callers":                    "the local cluster is one of the bootstrap's; istiod sends it like any other",
	"Cluster.ZoneAware.ForceLocalityDirectRouting": "only a load_balancing_policy extension has it, which istiod does not send",
	"Cluster.LeastRequest.FullScan":                "only a load_balancing_policy extension has it, which istiod does not send",
}

// words are two values of each type that has a fixed list of them.
var words = map[reflect.Type][2]string{
	reflect.TypeFor[xds.DiscoveryType](): {string(xds.StrictDNS), string(xds.LogicalDNS)},
	reflect.TypeFor[xds.LBPolicy]():      {string(xds.LeastRequest), string(xds.RingHash)},
	reflect.TypeFor[xds.Health]():        {string(xds.HealthUnhealthy), string(xds.HealthDraining)},
	reflect.TypeFor[xds.LookupFamily]():  {string(xds.V6Only), string(xds.AllFamilies)},
}

// fill gives everything a value that is no default: numbers count, so that no
// two are equal; lists have one element; switches are off.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), n)
	case reflect.String:
		if w, ok := words[v.Type()]; ok {
			v.SetString(w[0])
		} else {
			v.SetString(fmt.Sprintf("text-%d", *n))
		}
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(1000 + *n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(time.Hour) + int64(*n)*int64(time.Second))
	case reflect.Float64:
		v.SetFloat(float64(1000 + *n))
	}
}

// walk calls do for every leaf below v, changed, and changes it back.
func walk(t *testing.T, path string, v reflect.Value, do func(path string)) {
	switch v.Kind() {
	case reflect.Pointer:
		walk(t, path, v.Elem(), do)
		return
	case reflect.Struct:
		for i := range v.NumField() {
			walk(t, path+"."+v.Type().Field(i).Name, v.Field(i), do)
		}
		return
	case reflect.Slice:
		walk(t, path, v.Index(0), do)
		return
	}
	old := reflect.New(v.Type()).Elem()
	old.Set(v)
	switch v.Kind() {
	case reflect.String:
		if w, ok := words[v.Type()]; ok {
			v.SetString(w[1])
		} else {
			v.SetString(v.String() + "-other")
		}
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(v.Uint() + 1)
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + int64(time.Second))
	case reflect.Float64:
		v.SetFloat(v.Float() + 1)
	default:
		t.Fatalf("%s is a %s: say here how to change it", path, v.Kind())
	}
	do(path)
	v.Set(old)
}

// Every field of a cluster and of a route is in the message, or in the list
// above; a field of the list that is in the message after all is wrong there.
func TestEveryField(t *testing.T) {
	var c xds.Cluster
	var h xds.VirtualHost
	n := 0
	fill(reflect.ValueOf(&c).Elem(), &n)
	fill(reflect.ValueOf(&h).Elem(), &n)

	seen := 0
	reasons := map[string]bool{}
	compare := func(before proto.Message, render func() proto.Message) func(string) {
		return func(path string) {
			seen++
			changed := !proto.Equal(before, render())
			for field := range silent {
				if path == field || strings.HasPrefix(path, field+".") {
					reasons[field] = true
					if changed {
						t.Errorf("%s changes the message: it has no place in the list", path)
					}
					return
				}
			}
			if !changed {
				t.Errorf("%s changes nothing in the message", path)
			}
		}
	}
	cluster := func() proto.Message { return Cluster(&c) }
	walk(t, "Cluster", reflect.ValueOf(&c).Elem(), compare(cluster(), cluster))
	port := h.Port
	routes := func() proto.Message { return Routes([]xds.VirtualHost{h}, port) }
	walk(t, "VirtualHost", reflect.ValueOf(&h).Elem(), compare(routes(), routes))

	for field := range silent {
		if !reasons[field] {
			t.Errorf("%s is in the list and no field", field)
		}
	}
	if seen < 70 {
		t.Errorf("looked at %d fields; expected all of them", seen)
	}
}
