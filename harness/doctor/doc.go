// Package doctor says what this machine can rehearse on, what is missing, and the
// command that gets it.
//
//	facts := doctor.Probe(ctx, doctor.Options{...}) // looks at the machine
//	report := doctor.Diagnose(facts)                // decides; values in, values out
//	err := doctor.Text(os.Stdout, report)
//
// It changes nothing: the namespaces that it tries to make end with the child
// that was started in them.
package doctor
