package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxBody bounds a request: a schema of a thousand fields takes a tenth of it.
const maxBody = 1 << 20

// contentType is what the Confluent registry answers with.
const contentType = "application/vnd.schemaregistry.v1+json"

// apiError is an answer other than 200.
type apiError struct {
	status  int // HTTP
	code    int // of the API
	message string
}

func (e *apiError) Error() string { return e.message }

func errUnprocessable(code int, format string, args ...any) error {
	return &apiError{http.StatusUnprocessableEntity, code, fmt.Sprintf(format, args...)}
}

func errInvalidSchema(err error) error {
	return errUnprocessable(42201, "Either the input schema or one its references is invalid. Details: %v", err)
}

func errStore(err error) error {
	return &apiError{http.StatusInternalServerError, 50001, fmt.Sprintf("Error in the backend data store: %v", err)}
}

func errIncompatible(subject string, problems []string) error {
	return &apiError{http.StatusConflict, 409, fmt.Sprintf("Schema being registered is incompatible with an earlier schema for subject %q, details: %s",
		subject, strings.Join(problems, "; "))}
}

func errNotFound(code int, format string, args ...any) error {
	return &apiError{http.StatusNotFound, code, fmt.Sprintf(format, args...)}
}

func errNoSubject(subject string) error {
	return errNotFound(40401, "Subject '%s' not found.", subject)
}

// Handler returns the HTTP API.
func (r *Registry) Handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, f func(*http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, req *http.Request) {
			req.Body = http.MaxBytesReader(w, req.Body, maxBody)
			v, err := f(req)
			answer(w, v, err)
		})
	}
	handle("GET /{$}", func(*http.Request) (any, error) { return struct{}{}, nil })
	handle("GET /schemas/types", func(*http.Request) (any, error) { return []string{"AVRO"}, nil })
	handle("GET /schemas/ids/{id}", r.schemaByID)
	handle("GET /schemas/ids/{id}/schema", r.schemaText)
	handle("GET /schemas/ids/{id}/versions", r.schemaVersions)
	handle("GET /subjects", r.listSubjects)
	handle("GET /subjects/{subject}/versions", r.listVersions)
	handle("POST /subjects/{subject}/versions", r.postVersion)
	handle("GET /subjects/{subject}/versions/{version}", r.getVersion)
	handle("GET /subjects/{subject}/versions/{version}/schema", r.versionText)
	handle("POST /subjects/{subject}", r.lookUp)
	handle("GET /config", r.getConfig)
	handle("PUT /config", r.putConfig)
	handle("GET /config/{subject}", r.getConfig)
	handle("PUT /config/{subject}", r.putConfig)
	handle("DELETE /config/{subject}", r.deleteConfig)
	handle("POST /compatibility/subjects/{subject}/versions", r.checkAll)
	handle("POST /compatibility/subjects/{subject}/versions/{version}", r.checkOne)
	handle("GET /mode", func(*http.Request) (any, error) { return map[string]string{"mode": "READWRITE"}, nil })
	handle("/", func(*http.Request) (any, error) { return nil, errNotFound(404, "HTTP 404 Not Found") })
	return mux
}

// answer writes v, or err. A string is JSON already.
func answer(w http.ResponseWriter, v any, err error) {
	status := http.StatusOK
	if err != nil {
		var e *apiError
		if !errors.As(err, &e) {
			e = &apiError{http.StatusInternalServerError, 500, err.Error()}
		}
		status, v = e.status, map[string]any{"error_code": e.code, "message": e.message}
	}
	body, ok := v.(json.RawMessage)
	if !ok {
		if body, err = json.Marshal(v); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) // an error here is the client's: it has gone
}

// schemaOf reads the schema from the body of a request.
func schemaOf(req *http.Request) (string, error) {
	var body struct {
		Schema     string            `json:"schema"`
		SchemaType string            `json:"schemaType"`
		References []json.RawMessage `json:"references"`
	}
	if err := decode(req, &body); err != nil {
		return "", err
	}
	switch {
	case body.SchemaType != "" && body.SchemaType != "AVRO":
		return "", errUnprocessable(42201, "Invalid schema type %s: the embedded registry knows AVRO only", body.SchemaType)
	case len(body.References) > 0:
		return "", errUnprocessable(42201, "The embedded registry knows no references: write the referenced types into the schema")
	case body.Schema == "":
		return "", errUnprocessable(42201, "Empty schema")
	}
	return body.Schema, nil
}

func decode(req *http.Request, v any) error {
	if err := json.NewDecoder(req.Body).Decode(v); err != nil {
		var tooLong *http.MaxBytesError
		if errors.As(err, &tooLong) {
			return &apiError{http.StatusRequestEntityTooLarge, 413, fmt.Sprintf("the request is longer than %d bytes", tooLong.Limit)}
		}
		return &apiError{http.StatusBadRequest, 400, fmt.Sprintf("the request's body is not the JSON it should be: %v", err)}
	}
	return nil
}

// byID returns the id in the path. r.mu is held.
func (r *Registry) byID(req *http.Request) (int, error) {
	id, err := strconv.Atoi(req.PathValue("id"))
	if err != nil {
		return 0, errNotFound(404, "HTTP 404 Not Found")
	}
	if id < 1 || id > len(r.schemas) {
		return 0, errNotFound(40403, "Schema %d not found", id)
	}
	return id, nil
}

// byVersion returns the version and the id that the path names. r.mu is held.
func (r *Registry) byVersion(req *http.Request) (number, id int, err error) {
	subject, v := req.PathValue("subject"), req.PathValue("version")
	ids := r.subjects[subject]
	if len(ids) == 0 {
		return 0, 0, errNoSubject(subject)
	}
	if v == "latest" || v == "-1" {
		return len(ids), ids[len(ids)-1], nil
	}
	number, err = strconv.Atoi(v)
	if err != nil || number < 1 {
		return 0, 0, errUnprocessable(42202, "The specified version '%s' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\"", v)
	}
	if number > len(ids) {
		return 0, 0, errNotFound(40402, "Version %d not found.", number)
	}
	return number, ids[number-1], nil
}

func (r *Registry) schemaByID(req *http.Request) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, err := r.byID(req)
	if err != nil {
		return nil, err
	}
	return map[string]string{"schema": r.schemas[id-1].text}, nil
}

func (r *Registry) schemaText(req *http.Request) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, err := r.byID(req)
	if err != nil {
		return nil, err
	}
	return json.RawMessage(r.schemas[id-1].text), nil
}

func (r *Registry) schemaVersions(req *http.Request) (any, error) {
	type subjectVersion struct {
		Subject string `json:"subject"`
		Version int    `json:"version"`
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	id, err := r.byID(req)
	if err != nil {
		return nil, err
	}
	all := []subjectVersion{}
	for _, s := range r.sortedSubjects() {
		if v := versionOf(r.subjects[s], id); v > 0 {
			all = append(all, subjectVersion{s, v})
		}
	}
	return all, nil
}

// sortedSubjects returns the names of all subjects. r.mu is held.
func (r *Registry) sortedSubjects() []string {
	names := []string{}
	for s := range r.subjects {
		names = append(names, s)
	}
	slices.Sort(names)
	return names
}

func (r *Registry) listSubjects(*http.Request) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sortedSubjects(), nil
}

func (r *Registry) listVersions(req *http.Request) (any, error) {
	subject := req.PathValue("subject")
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := r.subjects[subject]
	if len(ids) == 0 {
		return nil, errNoSubject(subject)
	}
	versions := make([]int, len(ids))
	for i := range ids {
		versions[i] = i + 1
	}
	return versions, nil
}

func (r *Registry) postVersion(req *http.Request) (any, error) {
	text, err := schemaOf(req)
	if err != nil {
		return nil, err
	}
	id, err := r.register(req.PathValue("subject"), text)
	if err != nil {
		return nil, err
	}
	return map[string]int{"id": id}, nil
}

// subjectSchema is a version of a subject as the API gives it.
type subjectSchema struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
	ID      int    `json:"id"`
	Schema  string `json:"schema"`
}

func (r *Registry) getVersion(req *http.Request) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	number, id, err := r.byVersion(req)
	if err != nil {
		return nil, err
	}
	return subjectSchema{req.PathValue("subject"), number, id, r.schemas[id-1].text}, nil
}

func (r *Registry) versionText(req *http.Request) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, id, err := r.byVersion(req)
	if err != nil {
		return nil, err
	}
	return json.RawMessage(r.schemas[id-1].text), nil
}

// lookUp answers with the version of the subject that the schema in the body is.
func (r *Registry) lookUp(req *http.Request) (any, error) {
	text, err := schemaOf(req)
	if err != nil {
		return nil, err
	}
	_, key, err := parse(text)
	if err != nil {
		return nil, errInvalidSchema(err)
	}
	subject := req.PathValue("subject")
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := r.subjects[subject]
	if len(ids) == 0 {
		return nil, errNoSubject(subject)
	}
	id := r.ids[key]
	number := versionOf(ids, id)
	if number == 0 {
		return nil, errNotFound(40403, "Schema not found")
	}
	return subjectSchema{subject, number, id, r.schemas[id-1].text}, nil
}
