// Package explain says why a drill went as it did, and what to change.
//
//	causes := explain.Causes(compiled, trace, impact)
//	causes[0].Message     // maxEjectionPercent 10 % of 2 hosts = 0: ...
//	causes[0].Fix         // + maxEjectionPercent: 100, confirmed by predicting again
//
// A cause is a value: a code, a sentence, the field that decides with its place
// in the user's file, or the default that decides and the release since which it
// does, and the smallest change that makes the drill pass. A change is proposed
// only after the engine has played the drill with it, for names that resolve to
// 1 to 8 addresses. Lint finds the same causes without a drill.
//
// Every explanation that faildrill gives comes from this package. The causes are
// one a file, listed in finders.
package explain
