package harness

import (
	"fmt"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/schedule"
)

// configDifferences compares what the proxies had with what was predicted of
// them, where the backend has kept both: a line for each difference without a
// known reason.
func configDifferences(s *schedule.Schedule, evidence func(name string) []byte) []string {
	lines := []string{}
	for config := range s.Configs {
		for i := range s.Clients {
			name := s.Clients[i].Name
			predicted, dump := evidence(backend.PredictedFile(name, config)), evidence(backend.DumpFile(name, config))
			if predicted == nil || dump == nil {
				continue
			}
			prefix := ""
			if len(s.Clients) > 1 || len(s.Configs) > 1 {
				prefix = fmt.Sprintf("%s, configuration %d: ", name, config)
			}
			ds, err := check.Config(predicted, dump)
			if err != nil {
				lines = append(lines, prefix+err.Error())
				continue
			}
			for _, d := range check.Unexplained(ds) {
				lines = append(lines, prefix+d.String())
			}
		}
	}
	return lines
}
