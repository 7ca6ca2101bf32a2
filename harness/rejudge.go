package harness

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// ErrDamaged says that a run folder cannot be read.
var ErrDamaged = errors.New("the run folder cannot be read")

// RunFolders finds the run folders at or below a path, in order of their names.
func RunFolders(path string) ([]string, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	var out []string
	err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() && d.Name() == fileSchedule {
			out = append(out, filepath.Dir(p))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: no %s at or below %s; expected a folder that faildrill run made", ErrDamaged, fileSchedule, path)
	}
	sort.Strings(out)
	return out, nil
}

// Rejudge judges a stored run again: with the expectations of its
// scenario.yaml, which may have been corrected since.
func Rejudge(dir string) (Played, error) {
	r, err := restore(dir)
	if err != nil {
		return Played{}, err
	}
	p, err := r.judged()
	if err != nil {
		return Played{}, err
	}
	f := &Folder{path: dir}
	return p, f.saveVerdict(p.Run)
}

// restored is what a run folder says of the drill that was played.
type restored struct {
	dir      string
	drill    *schedule.Drill // as scenario.yaml has it now
	compiled *schedule.Compiled
	schedule *schedule.Schedule // what was played
}

// damaged is a file of the folder that cannot be used.
func damaged(dir, name string, err error) error {
	return fmt.Errorf("%w: %s: %w", ErrDamaged, filepath.Join(dir, name), err)
}

// restore reads the drill of a run folder.
func restore(dir string) (restored, error) {
	r := restored{dir: dir}
	var err error
	if r.schedule, err = readFile(dir, fileSchedule, schedule.Read); err != nil {
		return r, damaged(dir, fileSchedule, err)
	}
	inputs, err := scenario.Load(scenario.Disk(), []string{filepath.Join(dir, fileScenario)})
	if err != nil {
		return r, err
	}
	if len(inputs) != 1 || inputs[0].Scenario == nil {
		return r, damaged(dir, fileScenario, errors.New("expected one scenario"))
	}
	r.drill, err = schedule.New(inputs[0], schedule.Options{Profile: &r.schedule.Profile, Seed: r.schedule.Seed})
	if err != nil {
		return r, err
	}
	r.drill.Name = r.schedule.Name
	r.compiled = r.drill.Compile()
	if problems := Rejections(r.compiled); len(problems) > 0 {
		return r, damaged(dir, dirConfig, errors.New(problems[0])) // it was played, so it was no such thing then
	}
	return r, nil
}

// judged is the run, judged from its traces and its evidence.
func (r *restored) judged() (Played, error) {
	prediction, err := r.trace(filePrediction)
	if err != nil {
		return Played{}, err
	}
	observed, err := r.trace(fileTrace)
	if err != nil {
		return Played{}, err
	}
	backend.InOrder(observed) // a live run wrote its events down as they became known
	p := Played{Run: newRun(r.drill, r.compiled, observed.Run.Backend), Prediction: prediction, Observed: observed}
	p.Scale = r.schedule.Scale
	p.restoreFile(r.dir)
	p.ConfigDifferences = configDifferences(r.schedule, func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(r.dir, dirEvidence, name))
		if err != nil {
			return nil // the backend kept none
		}
		return b
	})
	p.judge(r.drill, r.compiled, r.schedule)
	p.asWritten(r.dir)
	p.Folder = r.dir
	return p, nil
}

// trace reads a trace of the schedule.
func (r *restored) trace(name string) (*trace.Trace, error) {
	t, err := readFile(r.dir, name, trace.Read)
	if err == nil {
		err = fits(r.schedule, t)
	}
	if err != nil {
		return nil, damaged(r.dir, name, err)
	}
	return t, nil
}

// restoreFile keeps the name of the file that the run was made from, and how it was played.
func (p *Played) restoreFile(dir string) {
	b, err := os.ReadFile(filepath.Join(dir, fileVerdict))
	if err != nil {
		return
	}
	var doc result.Document[result.Run]
	if json.Unmarshal(b, &doc) == nil && len(doc.Results) == 1 {
		was := &doc.Results[0]
		p.File, p.Replay, p.Setting = was.File, was.Replay, was.Setting
	}
}

// asWritten points at the files that the run was made from, instead of at the
// copies of them in its folder.
func (p *Played) asWritten(dir string) {
	origin := func(file *string, line *int) {
		rel, err := filepath.Rel(dir, filepath.FromSlash(*file))
		if err != nil || filepath.Dir(rel) != dirConfig {
			return
		}
		text, err := os.ReadFile(filepath.Join(dir, rel))
		if err != nil {
			return
		}
		if f, l, ok := originOf(string(text), *line); ok {
			*file, *line = f, l
		}
	}
	for i := range p.Causes {
		origin(&p.Causes[i].File, &p.Causes[i].Line)
	}
	for i := range p.NotModelled {
		origin(&p.NotModelled[i].File, &p.NotModelled[i].Line)
	}
}

// originOf finds where a line of a saved configuration stood: each object has its
// file, and the line at which it begins, in a comment ahead of it.
func originOf(saved string, line int) (file string, original int, ok bool) {
	lines := strings.Split(saved, "\n")
	from := min(line, len(lines)) - 1
	for from >= 0 && lines[from] != "---" {
		from--
	}
	if from < 0 || from+1 >= len(lines) {
		return "", 0, false
	}
	place := strings.TrimPrefix(lines[from+1], originMark)
	i := strings.LastIndexByte(place, ':')
	if i < 0 || place == lines[from+1] {
		return "", 0, false
	}
	begins, err := strconv.Atoi(place[i+1:])
	if err != nil {
		return "", 0, false
	}
	first := from + 2
	for first < len(lines)-1 && (strings.TrimSpace(lines[first]) == "" || strings.HasPrefix(lines[first], "#")) {
		first++
	}
	return place[:i], begins + line - (first + 1), true
}

// fits checks that the trace is one of this schedule.
func fits(s *schedule.Schedule, t *trace.Trace) error {
	if len(t.Run.Clients) != len(s.Clients) || len(t.Run.Upstreams) != len(s.Upstreams) {
		return fmt.Errorf("it has %d clients and %d upstreams; the schedule has %d and %d", len(t.Run.Clients), len(t.Run.Upstreams), len(s.Clients), len(s.Upstreams))
	}
	if t.Run.Duration != s.Duration || t.Run.Scale != s.Scale {
		return fmt.Errorf("it lasts %v at scale %v; the schedule %v at %v", t.Run.Duration.D(), t.Run.Scale, s.Duration.D(), s.Scale)
	}
	for _, st := range t.Steps {
		if int(st.Index) >= len(s.Steps) || st.Index < 0 || st.Kind != s.Steps[st.Index].Kind {
			return fmt.Errorf("it has step %d, %s, which is not among the %d steps of the schedule", st.Index, st.Kind, len(s.Steps))
		}
	}
	return within(s, t)
}

// waits is how long after its end a drill can wait for the last answer.
const waits = trace.Sec(24 * time.Hour)

// within checks that what drives the model when the run is judged happened in
// the time of the drill.
func within(s *schedule.Schedule, t *trace.Trace) error {
	end := s.Duration + waits
	out := func(from, to trace.Sec) bool { return from < 0 || to < from || to > end }
	for i, a := range t.Attempts {
		if out(a.At, a.Done) {
			return fmt.Errorf("attempt %d lasts from %v to %v", i, a.At.D(), a.Done.D())
		}
	}
	for i, r := range t.Requests {
		if out(r.At, r.Done) || out(r.Sent, r.Done) {
			return fmt.Errorf("request %d, due at %v, lasts from %v to %v", i, r.At.D(), r.Sent.D(), r.Done.D())
		}
	}
	for i, c := range t.Changes {
		if out(c.At, c.At) {
			return fmt.Errorf("change %d is at %v", i, c.At.D())
		}
	}
	return nil
}

func readFile[T any](dir, name string, read func(io.Reader) (*T, error)) (*T, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	defer f.Close()
	return read(f)
}
