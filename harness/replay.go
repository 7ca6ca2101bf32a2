package harness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/schedule"
)

// playSchema is the version of play.json.
const playSchema = "faildrill.dev/play/v1"

// howPlayed is play.json: what played a run.
type howPlayed struct {
	Schema string   `json:"schema"`
	Flags  []string `json:"flags"` // of faildrill run: its backend, and the programs that it chose
}

// A Replayed run was judged again, and its folder left as it is.
type Replayed struct {
	Played
	// Stored is the verdict in the folder; Same: what is said now is that, to the byte.
	Stored result.Verdict
	Same   bool
}

// Replay judges a stored run again from what its folder has: the traces against
// the model and the expectations. The folder has to be whole; nothing in it changes.
func Replay(dir string) (Replayed, error) {
	stored, err := os.ReadFile(filepath.Join(dir, fileVerdict))
	if err != nil {
		return Replayed{}, damaged(dir, fileVerdict, errors.Unwrap(err))
	}
	var doc result.Document[result.Run]
	if err := json.Unmarshal(stored, &doc); err != nil {
		return Replayed{}, damaged(dir, fileVerdict, fmt.Errorf("reading the verdict: %w", err))
	}
	if doc.Schema != result.RunSchema {
		return Replayed{}, damaged(dir, fileVerdict, otherSchema(doc.Schema, result.RunSchema))
	}
	if len(doc.Results) != 1 {
		return Replayed{}, damaged(dir, fileVerdict, fmt.Errorf("it has %d results; expected one", len(doc.Results)))
	}
	r, err := restore(dir)
	if err != nil {
		return Replayed{}, err
	}
	p, err := r.judged()
	if err != nil {
		return Replayed{}, err
	}
	again := p.Run
	again.Folder = doc.Results[0].Folder // it may have been moved since
	text, err := verdictText(again)
	p.Replay = replayCommand(dir)
	return Replayed{Played: p, Stored: doc.Results[0].Verdict, Same: bytes.Equal(text, stored)}, err
}

// replayCommand is the command that replays the run of a folder.
func replayCommand(dir string) string { return "faildrill replay " + dir }

func otherSchema(got, want string) error {
	return fmt.Errorf("schema %q; expected %q", got, want)
}

// Stored is a drill of a run folder, to be played again as it was.
type Stored struct {
	Drill *schedule.Drill
	Scale float64
	Flags []string // of faildrill run: what played it
}

// Reload reads the drill of a run folder: the same schedule comes of it as was
// played. A scenario.yaml that was changed since is damage.
func Reload(dir string) (Stored, error) {
	how, err := readFile(dir, filePlay, readHow)
	if err != nil {
		return Stored{}, damaged(dir, filePlay, err)
	}
	r, err := restore(dir)
	if err != nil {
		return Stored{}, err
	}
	if err := r.unchanged(); err != nil {
		return Stored{}, damaged(dir, fileScenario, err)
	}
	return Stored{Drill: r.drill, Scale: r.schedule.Scale, Flags: how.Flags}, nil
}

func readHow(r io.Reader) (*howPlayed, error) {
	var h howPlayed
	if err := json.NewDecoder(r).Decode(&h); err != nil {
		return nil, fmt.Errorf("reading what played the run: %w", err)
	}
	if h.Schema != playSchema {
		return nil, otherSchema(h.Schema, playSchema)
	}
	return &h, nil
}

// unchanged checks that the scenario of the folder still makes the schedule that
// was played.
func (r *restored) unchanged() error {
	s := r.compiled.Schedule
	if r.schedule.Scale != 1 {
		s = s.Scaled(r.schedule.Scale)
	}
	now, err := fieldsOf(placeless(s))
	if err != nil {
		return err
	}
	then, err := fieldsOf(placeless(r.schedule))
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(then)) {
		if !bytes.Equal(now[name], then[name]) {
			return fmt.Errorf("it is another drill than was played: it, or faildrill itself, has changed since (%s has other %s); play it with faildrill run",
				fileSchedule, name)
		}
	}
	return nil
}

// fieldsOf are the fields of the schedule as JSON.
func fieldsOf(s *schedule.Schedule) (map[string]json.RawMessage, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	return fields, json.Unmarshal(b, &fields)
}

// placeless is a schedule without the places where its objects stand, and without
// the comments ahead of them: those in the folder are copies, which say of what.
func placeless(s *schedule.Schedule) *schedule.Schedule {
	c := *s
	c.Documents = slices.Clone(s.Documents)
	for i, docs := range c.Documents {
		docs = slices.Clone(docs)
		for j := range docs {
			docs[j].File, docs[j].Line = "", 0
			docs[j].YAML = uncommented(docs[j].YAML)
		}
		c.Documents[i] = docs
	}
	return &c
}

// uncommented is the text of an object without the comments ahead of it.
func uncommented(yaml string) string {
	for {
		yaml = strings.TrimSpace(yaml)
		if !strings.HasPrefix(yaml, "#") {
			return yaml
		}
		_, yaml, _ = strings.Cut(yaml, "\n")
	}
}
