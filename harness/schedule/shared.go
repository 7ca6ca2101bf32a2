package schedule

import (
	"encoding/json"
	"slices"
	"sync"

	"github.com/faildrill/faildrill/harness/istio"
)

// shared keeps what is alike in the drills of one input, however many there are:
// what the configuration becomes for a client, and its text. It is safe for
// concurrent use, and what it gives is not to be changed. Nil keeps nothing.
type shared struct {
	configs [][]*istio.Resource // the configurations that it is about

	mu    sync.Mutex // guards what follows
	made  map[string]istio.Translation
	texts map[int][]Document
}

// Share lets whatever is compiled from this drill and its copies share what
// becomes of its configurations, as long as they are the same.
func (d *Drill) Share() { d.shared = &shared{configs: d.Configs} }

// about finds the configuration among those that are shared; -1: it is another
// one, because it was edited.
func (s *shared) about(res []*istio.Resource) int {
	if s == nil || len(res) == 0 {
		return -1
	}
	return slices.IndexFunc(s.configs, func(c []*istio.Resource) bool { return len(c) == len(res) && &c[0] == &res[0] })
}

// translate is istio.Translate.
func (s *shared) translate(res []*istio.Resource, c istio.Client, m istio.Mesh, p istio.Profile) istio.Translation {
	config := s.about(res)
	if config < 0 {
		return istio.Translate(res, c, m, p)
	}
	key, err := json.Marshal(struct {
		Config int
		C      istio.Client
		M      istio.Mesh
		P      istio.Profile
	}{config, c, m, p})
	if err != nil {
		return istio.Translate(res, c, m, p)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.made[string(key)]
	if !ok {
		t = istio.Translate(res, c, m, p)
		if s.made == nil {
			s.made = map[string]istio.Translation{}
		}
		s.made[string(key)] = t
	}
	return t
}

// documents is the YAML of a configuration of the drill.
func (s *shared) documents(d *Drill, config int) []Document {
	i := s.about(d.Configs[config])
	if i < 0 || len(d.Patched) > 0 {
		return d.documents(config)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	texts, ok := s.texts[i]
	if !ok {
		texts = d.documents(config)
		if s.texts == nil {
			s.texts = map[int][]Document{}
		}
		s.texts[i] = texts
	}
	return texts
}
