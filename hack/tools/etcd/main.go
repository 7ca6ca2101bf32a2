// Command etcd is etcd's server as its own main package starts it, which is not
// in the server's module.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
