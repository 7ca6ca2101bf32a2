package harness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/journal"
	"github.com/faildrill/faildrill/harness/report"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// The files of a run folder.
const (
	fileScenario   = "scenario.yaml"
	fileSchedule   = "schedule.json"
	filePrediction = "prediction.jsonl"
	fileTrace      = "trace.jsonl"
	filePlay       = "play.json" // what played it
	fileVerdict    = "verdict.json"
	fileJUnit      = "junit.xml"
	fileUndo       = "undo.jsonl"
	dirEvidence    = "evidence"
	dirConfig      = "config" // the Istio YAML, one folder a configuration
	fileMarker     = ".faildrill"
)

// Folder keeps everything about one run. A nil Folder keeps nothing.
type Folder struct {
	path  string
	trace *os.File
	undo  *os.File
	left  *journal.Journal // what is to be undone; nil: nothing
	mu    sync.Mutex
	err   error // the first that a write met
}

// ErrFolder says that an output folder cannot be used.
var ErrFolder = errors.New("the output folder cannot be used")

// NewRoot prepares a folder for runs: it must not exist, be empty, or be ours.
func NewRoot(path string) error {
	entries, err := os.ReadDir(path)
	made := false
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(path, 0o755); err != nil {
			return fmt.Errorf("%w: %w", ErrFolder, err)
		}
		made = true
	case err != nil:
		return fmt.Errorf("%w: %w", ErrFolder, err)
	case len(entries) > 0:
		if _, err := os.Stat(filepath.Join(path, fileMarker)); err != nil {
			return fmt.Errorf("%w: %s is not empty and was not made by faildrill; expected a new or an empty folder", ErrFolder, path)
		}
	}
	if err := os.WriteFile(filepath.Join(path, fileMarker), []byte("runs of faildrill\n"), 0o644); err != nil {
		if len(entries) == 0 {
			_ = os.Remove(filepath.Join(path, fileMarker)) // what went wrong is told
		}
		if made {
			_ = os.Remove(path)
		}
		return fmt.Errorf("%w: %w", ErrFolder, err)
	}
	return nil
}

// NewFolder makes the folder of one run below the root, replacing an earlier
// run of the same name.
func NewFolder(root, name string) (*Folder, error) {
	path := filepath.Join(root, FolderName(name))
	if err := os.RemoveAll(path); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	if err := os.MkdirAll(filepath.Join(path, dirEvidence), 0o755); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	return &Folder{path: path}, nil
}

// FolderName makes a file name of a drill's name.
func FolderName(name string) string {
	b := []byte(strings.ToLower(name))
	for i, c := range b {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' {
			b[i] = '-'
		}
	}
	if n := strings.Trim(string(b[:min(len(b), 120)]), ".-"); n != "" {
		return n
	}
	return "drill" // never the folder above it
}

// label makes a scenario's name of a drill's name: a DNS label.
func label(name string) string {
	n := strings.ReplaceAll(FolderName(name), ".", "-")
	return strings.Trim(n[:min(len(n), 63)], "-")
}

// DefaultRoot is where runs lie unless a folder is named.
func DefaultRoot(at time.Time, name string) string {
	return filepath.Join(".faildrill", "runs", at.UTC().Format("20060102T150405Z")+"-"+FolderName(name))
}

// Path is where the folder is.
func (f *Folder) Path() string { return f.path }

// begin saves what is known before anything runs, and lets the sink write the
// trace and the journal as they come.
func (f *Folder) begin(d *schedule.Drill, s *schedule.Schedule, p *Played, sink *backend.Collector) error {
	if f == nil {
		return nil
	}
	yaml, err := scenario.Marshal(*savedScenario(d))
	if err != nil {
		return fmt.Errorf("saving the run: %w", err)
	}
	var sched, pred bytes.Buffer
	if err := s.Save(&sched); err != nil {
		return fmt.Errorf("saving the run: %w", err)
	}
	if err := trace.Write(&pred, p.Prediction); err != nil {
		return fmt.Errorf("saving the run: %w", err)
	}
	how, err := json.Marshal(howPlayed{Schema: playSchema, Flags: append([]string{"--on", p.Backend}, p.flags...)})
	if err != nil {
		return fmt.Errorf("saving the run: %w", err)
	}
	for name, data := range map[string][]byte{
		fileScenario: yaml, fileSchedule: sched.Bytes(), filePrediction: pred.Bytes(), filePlay: append(how, '\n'),
	} {
		if err := f.write(name, data); err != nil {
			return err
		}
	}
	if err := f.configs(s); err != nil {
		return err
	}
	if f.trace, err = os.Create(filepath.Join(f.path, fileTrace)); err != nil {
		return fmt.Errorf("saving the run: %w", err)
	}
	if f.undo, err = os.Create(filepath.Join(f.path, fileUndo)); err != nil {
		return errors.Join(fmt.Errorf("saving the run: %w", err), f.trace.Close())
	}
	f.listen(d.Name, sink)
	return nil
}

// configs writes the Istio YAML of each configuration, and points the saved
// scenario at it, so that the folder is an input by itself.
func (f *Folder) configs(s *schedule.Schedule) error {
	for i, docs := range s.Documents {
		var b strings.Builder
		for _, d := range docs {
			fmt.Fprintf(&b, "---\n%s%s:%d\n%s\n", originMark, d.File, d.Line, strings.TrimSpace(d.YAML))
		}
		if err := f.write(filepath.Join(dirConfig, fmt.Sprintf("%d.yaml", i)), []byte(b.String())); err != nil {
			return err
		}
	}
	return nil
}

// originMark begins the comment that says where a saved object stood.
const originMark = "# "

// savedScenario is the scenario with its defaults, and with its configuration
// where the run folder keeps it.
func savedScenario(d *schedule.Drill) *scenario.Scenario {
	sc := *d.Input.Scenario
	sc.Metadata.Name = label(sc.Metadata.Name)
	// The command line may have chosen another profile than the scenario's own.
	if own, err := istio.ParseProfile(sc.Spec.Profile); err != nil || own != d.Profile {
		sc.Spec.Profile = fmt.Sprintf("istio=%s,envoy=%s", d.Profile.Istio, d.Profile.Envoy)
	}
	sc.Spec.Config = []string{filepath.Join(dirConfig, "0.yaml")}
	sc.Spec.Timeline = append([]scenario.Step(nil), sc.Spec.Timeline...)
	n := 0
	for i := range sc.Spec.Timeline {
		st := &sc.Spec.Timeline[i]
		if st.ChangesConfiguration() {
			n++
		}
		if st.Apply != "" {
			if st.Name == "" {
				st.Name = schedule.ApplyName(st.Apply)
			}
			st.Apply = filepath.Join(dirConfig, fmt.Sprintf("%d.yaml", n))
		}
	}
	return &sc
}

// journal writes an entry into the journal that is left when this process is killed.
func (f *Folder) journal(run string, u backend.Undo) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if u.What == backend.Undone {
		left := f.left
		f.left = nil
		if left == nil {
			return nil
		}
		return left.Done()
	}
	if f.left == nil {
		dir, err := journal.Default()
		if err != nil {
			return err
		}
		if f.left, err = dir.New(run); err != nil {
			return err
		}
	}
	return f.left.Add(u)
}

func (f *Folder) listen(run string, sink *backend.Collector) {
	on := sink.OnEvent
	sink.OnEvent = func(e trace.Event) {
		if b, err := trace.AppendLine(nil, e); f.keep(err) {
			_, err = f.trace.Write(b)
			f.keep(err)
		}
		if on != nil {
			on(e)
		}
	}
	sink.OnUndo = func(u backend.Undo) error {
		b, err := json.Marshal(u)
		if err == nil {
			_, err = f.undo.Write(append(b, '\n'))
		}
		if err != nil {
			return err
		}
		return f.journal(run, u)
	}
	sink.OnEvidence = func(name string, data []byte) {
		f.keep(f.put(filepath.Join(dirEvidence, filepath.Base(name)), data))
	}
}

// keep remembers the first error; it reports whether there was none now.
func (f *Folder) keep(err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil && f.err == nil {
		f.err = err
	}
	return err == nil
}

// end saves the verdict.
func (f *Folder) end(p *Played) error {
	if f == nil {
		return nil
	}
	p.Folder = f.path
	if f.trace != nil { // it was played
		p.Replay = replayCommand(f.path)
		f.keep(f.trace.Close())
		f.keep(f.undo.Close())
	}
	if f.left != nil { // what broke says why
		f.keep(f.left.Close())
		if p.Err != nil {
			p.Err = fmt.Errorf("%w; faildrill clean removes what it left", p.Err)
		}
	}
	f.keep(f.saveVerdict(p.Run))
	if f.err != nil {
		return fmt.Errorf("saving the run: %w", f.err)
	}
	return nil
}

// verdictText is verdict.json.
func verdictText(r result.Run) ([]byte, error) {
	b, err := json.MarshalIndent(result.Document[result.Run]{Schema: result.RunSchema, Results: []result.Run{r}}, "", " ")
	return append(b, '\n'), err
}

func (f *Folder) saveVerdict(r result.Run) error {
	b, err := verdictText(r)
	if err != nil {
		return err
	}
	if err := f.write(fileVerdict, b); err != nil {
		return err
	}
	var x bytes.Buffer
	if err := report.JUnit(&x, []result.Run{r}, time.Time{}); err != nil {
		return err
	}
	return f.write(fileJUnit, x.Bytes())
}

// write puts a file in place whole, or not at all.
func (f *Folder) write(name string, data []byte) error {
	if err := f.put(name, data); err != nil {
		return fmt.Errorf("saving the run: %w", err)
	}
	return nil
}

func (f *Folder) put(name string, data []byte) error {
	path := filepath.Join(f.path, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	err := os.WriteFile(path+".tmp", data, 0o644)
	if err == nil {
		err = os.Rename(path+".tmp", path)
	}
	if err != nil {
		_ = os.Remove(path + ".tmp") // what went wrong is told
	}
	return err
}
