package hack

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// A prediction keeps most of its requests packed, so that code which reads one has
// to go through AllRequests and AllAttempts; ranging over the fields would
// silently leave most of it out. Files that unpack or read live traces only are
// named here.
//
// Sums and expectations have fields of these names, too.
func TestPredictionsAreReadWhole(t *testing.T) {
	exempt := map[string]string{
		"accept_lines.go": "Accept unpacks", "accept_pick.go": "Accept unpacks", "accept_requests.go": "Accept unpacks", "story.go": "unpacks", "rejudge.go": "reads traces from files",
	}
	windows := map[string]bool{"w": true, "p": true, "e": true}
	var files []string
	for _, dir := range []string{"../harness", "../harness/check", "../harness/explain", "../harness/report", "../harness/backend/model"} {
		found, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d files, %v", dir, len(found), err)
		}
		files = append(files, found...)
	}
	fset := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || exempt[filepath.Base(name)] != "" {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			var x ast.Expr
			switch n := n.(type) {
			case *ast.RangeStmt:
				x = n.X
			case *ast.IndexExpr:
				x = n.X
			}
			if s, ok := x.(*ast.SelectorExpr); ok && !windows[exprName(s.X)] && (s.Sel.Name == "Requests" || s.Sel.Name == "Attempts") {
				t.Errorf("%s: .%s of a trace is read directly; use All%s", fset.Position(s.Pos()), s.Sel.Name, s.Sel.Name)
			}
			return true
		})
	}
}

func exprName(x ast.Expr) string {
	if id, ok := x.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}
