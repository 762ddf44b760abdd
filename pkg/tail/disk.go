package tail

// disk stands between a Tailer and the file system in tests: it sees every answer of the kernel and may give another. It closes what
// it keeps back.
type disk interface {
	stat(path string, st fileStat, err error) (fileStat, error)
	open(path string, src content, st fileStat, err error) (content, fileStat, error)
}

// stat looks at the file at path.
func (t *Tailer) stat(path string) (fileStat, error) {
	st, err := t.folders.stat(path)
	t.cfg.Alive()
	if t.cfg.disk != nil {
		return t.cfg.disk.stat(path, st, err)
	}
	return st, err
}

// openContent opens the file at path, or what is compressed in it.
func (t *Tailer) openContent(path string, gz bool) (content, fileStat, error) {
	var src content
	var st fileStat
	var err error
	if gz {
		src, st, err = t.openArchive(path, markMax+max(t.cfg.BlockSize, t.cfg.MaxLine+1))
	} else {
		src, st, err = t.openPlain(path)
	}
	t.cfg.Alive()
	if t.cfg.disk != nil {
		return t.cfg.disk.open(path, src, st, err)
	}
	return src, st, err
}
