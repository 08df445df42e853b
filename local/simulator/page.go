package main

import (
	"errors"
	"os/exec"
	"runtime"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/cloud"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/live"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/record"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/progress"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
)

// showPage serves the page about a system, of which the assembly is in dir, and prints where. With open it also starts
// a browser there. The caller closes what it returns.
func showPage(system *cloud.Cloud, dir string, recorder *record.Recorder, printer *progress.Printer,
	open bool) (*live.Served, error) {
	a, err := assembly.Load(dir)
	if err != nil {
		return nil, err
	}
	root, err := synth.ModuleRoot("")
	if err != nil {
		return nil, err
	}
	page, err := live.Serve(live.Options{
		System: system, Assembly: a, Recorder: recorder, Root: root,
		Opened: func(link string) {
			printer.Printf("At %s the page was opened. If that was not you, press Ctrl-C. For another browser: %s",
				time.Now().Format(time.TimeOnly), link)
		},
	})
	if err != nil {
		return nil, err
	}
	printer.Printf("\nWatch all of this on a page. The address works once: %s\n", page.Link())
	if open {
		if err := startBrowser(page.Link()); err != nil {
			return nil, errors.Join(err, page.Close())
		}
	}
	return page, nil
}

// browsers start the person's browser, by operating system.
var browsers = map[string]string{"linux": "xdg-open", "darwin": "open"}

// startBrowser hands the link over as an argument, which other users of this machine can see in the list of processes
// for a moment. The link works once, so somebody who is faster shuts the person out, who is told so.
func startBrowser(link string) error {
	browser := browsers[runtime.GOOS]
	if _, err := exec.LookPath(browser); err != nil {
		return errors.New("-open found no " + browser + ", which starts a browser: leave -open out, and open the address yourself")
	}
	cmd := exec.Command(browser, link)
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // it ends at once, or when the browser does
	return nil
}
