package registry

import (
	"net/http"
	"strings"
)

// getConfig answers with the level of the subject in the path, or with the global one.
func (r *Registry) getConfig(req *http.Request) (any, error) {
	subject := req.PathValue("subject")
	r.mu.Lock()
	defer r.mu.Unlock()
	level, ok := r.levels[subject]
	if !ok {
		if req.URL.Query().Get("defaultToGlobal") != "true" {
			return nil, errNotFound(40408, "Subject '%s' does not have subject-level compatibility configured", subject)
		}
		level = r.levels[""]
	}
	return map[string]Level{"compatibilityLevel": level}, nil
}

func (r *Registry) putConfig(req *http.Request) (any, error) {
	var body struct {
		Compatibility Level `json:"compatibility"`
	}
	if err := decode(req, &body); err != nil {
		return nil, err
	}
	level := Level(strings.ToUpper(string(body.Compatibility)))
	if !level.valid() {
		return nil, errUnprocessable(42203, "Invalid compatibility level. Valid values are none, backward, forward, full, backward_transitive, forward_transitive, and full_transitive")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.save(entry{Subject: req.PathValue("subject"), Level: level}); err != nil {
		return nil, errStore(err)
	}
	return map[string]Level{"compatibility": level}, nil
}

// deleteConfig lets the subject follow the global level again and answers with the level it had.
func (r *Registry) deleteConfig(req *http.Request) (any, error) {
	subject := req.PathValue("subject")
	r.mu.Lock()
	defer r.mu.Unlock()
	level, ok := r.levels[subject]
	if !ok {
		return nil, errNoSubject(subject)
	}
	if err := r.save(entry{Subject: subject, Reset: true}); err != nil {
		return nil, errStore(err)
	}
	return map[string]Level{"compatibilityLevel": level}, nil
}

// checkOne says whether the schema in the body may follow the version in the path, at the subject's level.
func (r *Registry) checkOne(req *http.Request) (any, error) {
	text, err := schemaOf(req)
	if err != nil {
		return nil, err
	}
	next, _, err := parse(text)
	if err != nil {
		return nil, errInvalidSchema(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	number, id, err := r.byVersion(req)
	if err != nil {
		return nil, err
	}
	level := r.levelOf(req.PathValue("subject"))
	return verdict(req, level.check(next, []version{{number, r.schemas[id-1].parsed}})), nil
}

// checkAll says whether registering the schema in the body would be refused.
func (r *Registry) checkAll(req *http.Request) (any, error) {
	text, err := schemaOf(req)
	if err != nil {
		return nil, err
	}
	next, _, err := parse(text)
	if err != nil {
		return nil, errInvalidSchema(err)
	}
	subject := req.PathValue("subject")
	r.mu.Lock()
	defer r.mu.Unlock()
	level := r.levelOf(subject)
	return verdict(req, level.check(next, r.versions(subject, level.transitive()))), nil
}

// verdict is the answer to a compatibility check. The reasons come with ?verbose=true only.
func verdict(req *http.Request, problems []string) any {
	v := struct {
		OK       bool     `json:"is_compatible"`
		Messages []string `json:"messages,omitempty"`
	}{OK: len(problems) == 0}
	if req.URL.Query().Get("verbose") == "true" {
		v.Messages = problems
	}
	return v
}
