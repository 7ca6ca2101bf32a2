// Command barecobra is what a cobra program costs that does nothing: the
// yardstick of hack/bench.sh.
package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func main() {
	c := &cobra.Command{Use: "barecobra", Run: func(*cobra.Command, []string) { fmt.Println("nothing") }}
	if err := c.Execute(); err != nil {
		panic(err)
	}
}
