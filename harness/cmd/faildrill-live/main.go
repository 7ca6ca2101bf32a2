// Command faildrill-live plays one drill on real proxies: faildrill starts it,
// tells it what to play, and reads what it sees. It is a program of its own
// because its libraries are heavy, and because it is the first process of its
// namespaces.
package main

import (
	"os"

	"github.com/faildrill/faildrill/harness/backend/localenvoy/inside"
	"github.com/faildrill/faildrill/harness/child"
)

func main() { os.Exit(child.Serve(inside.Play, inside.Orphaned)) }
