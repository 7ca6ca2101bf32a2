package schedule

import (
	"encoding/json"
	"sync"

	"github.com/faildrill/faildrill/harness/istio"
)

// shared keeps what is alike in the drills of one input, however many there are:
// what the configuration becomes for a client, and its text. It is safe for
// concurrent use, and what it gives is not to be changed. Nil keeps nothing.
type shared struct {
	resources []*istio.Resource // the configuration that it is about

	mu    sync.Mutex // guards what follows
	made  map[string]istio.Translation
	texts []Document
}

// about reports whether the configuration is the one that is shared, and not one
// that was edited.
func (s *shared) about(res []*istio.Resource) bool {
	return s != nil && len(res) > 0 && len(res) == len(s.resources) && &res[0] == &s.resources[0]
}

// translate is istio.Translate.
func (s *shared) translate(res []*istio.Resource, c istio.Client, m istio.Mesh, p istio.Profile) istio.Translation {
	if !s.about(res) {
		return istio.Translate(res, c, m, p)
	}
	key, err := json.Marshal(struct {
		C istio.Client
		M istio.Mesh
		P istio.Profile
	}{c, m, p})
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
	if !s.about(d.Configs[config]) || len(d.Patched) > 0 {
		return d.documents(config)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.texts == nil {
		s.texts = d.documents(config)
	}
	return s.texts
}
