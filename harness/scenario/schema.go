package scenario

import _ "embed"

//go:embed schema.json
var schema []byte

// Schema is the JSON schema (draft 2020-12) of a Scenario, for editors. It is
// generated from types.go.
func Schema() []byte { return schema }
