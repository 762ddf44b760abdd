package main

import (
	"encoding/json"

	"ngxtap/pkg/pipeline"
)

// replayedJSON is what became of the lines of a replay, for programs.
type replayedJSON struct {
	Site    string       `json:"site"`
	DryRun  bool         `json:"dry_run"`
	Sent    int64        `json:"replayed"` // in a dry run: that would be
	Already int64        `json:"replayed_before"`
	Misfits []reasonJSON `json:"still_fit_no_format"`
	Cannot  []reasonJSON `json:"cannot_be_replayed"`
	Foreign int64        `json:"left_out"` // records that are not ngxtap's, or can't be read
	Limited bool         `json:"limit_reached"`
	Error   string       `json:"error,omitempty"` // why it ended before the end
}

// reasonJSON is how many lines have one reason.
type reasonJSON struct {
	Reason string `json:"reason"`
	Lines  int64  `json:"lines"`
}

func reasonsOf(t *pipeline.Table) []reasonJSON {
	all := []reasonJSON{}
	for _, r := range t.Rows() {
		all = append(all, reasonJSON{r.Text, r.Count})
	}
	return all
}

// printReplayed prints the outcome of a replay as one JSON object. It is printed for one that failed, too: what it sent is sent.
func (a *app) printReplayed(o *replayOptions, res *pipeline.ReplayResult, failure error) error {
	j := replayedJSON{Site: o.site, DryRun: o.dryRun, Sent: res.Sent, Already: res.Already, Misfits: reasonsOf(&res.Misfits), Cannot: reasonsOf(&res.Cannot),
		Foreign: res.Foreign, Limited: res.Limited}
	if failure != nil {
		j.Error = failure.Error()
	}
	e := json.NewEncoder(escaper{a.out})
	e.SetEscapeHTML(false)
	return e.Encode(j)
}
