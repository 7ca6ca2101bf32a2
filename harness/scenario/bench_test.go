package scenario

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkLoad reads the recipe's scenario, and a configuration of 1 000 objects.
func BenchmarkLoad(b *testing.B) {
	b.Run("recipe", func(b *testing.B) {
		for b.Loop() {
			if _, err := Load(Disk(), []string{"../../scenarios/failover/external-failover-invalid-port-fixed.yaml"}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("1000", func(b *testing.B) {
		var text strings.Builder
		for i := range 1000 {
			fmt.Fprintf(&text, "---\n"+strings.Replace(aService, "name: db", "name: db%d", 1), i)
		}
		files := Disk()
		for b.Loop() {
			files.Stdin = strings.NewReader(text.String())
			if _, err := Load(files, []string{"-"}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
