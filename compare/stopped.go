package compare

// stopped takes back what a judgement that came to no end cannot know: a count that
// is zero then says only that nothing was looked at. What was found stays, as a
// lower bound.
func (j *judge) stopped() {
	const stopped = "judging stopped"
	j.res.Stopped = true
	j.res.Capture.Complete, j.res.Capture.Why = false, stopped
	for _, w := range []*Witness{&j.res.Witnesses.Log, &j.res.Witnesses.ClientLSN} {
		if !w.Heard {
			w.Why = stopped
		}
	}
	for i := range j.res.Objectives {
		if o := &j.res.Objectives[i]; o.Measured == 0 {
			o.Known = false
		}
	}
	if rows := &j.res.Witnesses.Rows; rows.Survives+rows.Lost == 0 {
		rows.Heard, rows.Why = false, "judging stopped before anything was compared"
	}
}
