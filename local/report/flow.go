package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/report/access"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/report/dataflow"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/report/inventory"
)

// notes say what a key or table is for.
var notes = map[place]string{
	tokenKey:       "key: seals and opens values",
	fingerprintKey: "key: makes fingerprints for the index",
	storageKey:     "key: tables and logs at rest; opens no value",
	vault:          "table: sealed values",
	state:          "table: tombstones and uses",
	index:          "table: finds tokens again",
	application:    "table of the application",
}

// Flow returns the data flow, for a drawing. In PCI scope are the keys, the tables of the vault, and whoever may use
// these or runs the extension, with the routes that lead there. An application's tables hold tokens, and StorageKey
// alone opens no card.
func Flow(inv *inventory.Inventory) (dataflow.Flow, error) {
	a, err := analyse(inv)
	if err != nil {
		return dataflow.Flow{}, err
	}
	var f dataflow.Flow
	for _, t := range a.inOrder() {
		f.Stores = append(f.Stores, dataflow.Store{Name: t.path, Note: notes[t.place], InScope: t.place != application})
	}
	for _, p := range a.principals {
		uses, inScope, err := a.uses(p)
		if err != nil {
			return dataflow.Flow{}, err
		}
		can, err := a.abilitiesOf(p)
		if err != nil {
			return dataflow.Flow{}, err
		}
		for _, actor := range a.actors(p, len(uses) > 0) {
			actor.InScope = actor.InScope || inScope
			actor.Notes = append(actor.Notes, can...)
			f.Actors = append(f.Actors, actor)
			for _, u := range uses {
				u.Actor = actor.Name
				f.Uses = append(f.Uses, u)
			}
		}
	}
	a.addRoutes(&f)
	return f, nil
}

// inOrder returns the targets in the order of the catalogue's places.
func (a *analysis) inOrder() (targets []target) {
	for _, at := range []place{tokenKey, vault, state, fingerprintKey, index, storageKey, application} {
		for _, t := range a.targets {
			if t.place == at {
				targets = append(targets, t)
			}
		}
	}
	return targets
}

// uses returns what a principal may do with keys and tables, and whether that puts it in PCI scope.
func (a *analysis) uses(p *principal) (uses []dataflow.Use, inScope bool, err error) {
	for _, t := range a.inOrder() {
		var actions []string
		for _, action := range known(t.place) {
			if slices.Contains(describesKeys, action) || slices.Contains(describesTables, action) {
				continue
			}
			answer, err := a.mayAny(p, access.Question{Action: action, Resource: t.arn}, t)
			if err != nil {
				return nil, false, err
			}
			if _, name, _ := strings.Cut(action, ":"); answer.Allowed {
				actions = append(actions, name)
			}
		}
		if len(actions) > 0 {
			uses = append(uses, dataflow.Use{Store: t.path, What: label(actions)})
			inScope = inScope || t.place != application && t.place != storageKey
		}
	}
	return uses, inScope, nil
}

// label lists actions, or as many of them as fit above an arrow.
func label(actions []string) string {
	if text := strings.Join(actions, ", "); len(text) <= 30 {
		return text
	}
	return fmt.Sprintf("%s and %d more", actions[0], len(actions)-1)
}

// actors returns the functions that run as a principal, or the principal itself if there are none and it may use
// something.
func (a *analysis) actors(p *principal, uses bool) (actors []dataflow.Actor) {
	if p.role != nil {
		for _, f := range a.inv.FunctionsOf(p.role.ARN) {
			actor := dataflow.Actor{
				Name:    f.Path,
				Notes:   []string{"role " + p.role.Path, "IAM path " + p.role.IAMPath},
				InScope: f.Tokenizer,
			}
			for _, layer := range f.Layers {
				actor.Layers = append(actor.Layers, a.layerPath(layer))
			}
			actors = append(actors, actor)
		}
	}
	if len(actors) > 0 || !uses {
		return actors
	}
	if p.role != nil {
		return []dataflow.Actor{{
			Name: p.role.Path, Notes: []string{"a role without a function", "IAM path " + p.role.IAMPath},
		}}
	}
	return []dataflow.Actor{{
		Name:  a.withPlaceholders(strings.ReplaceAll(p.label, "`", "")),
		Notes: []string{"named by a policy of a key or table"},
	}}
}

// abilitiesOf returns what a principal can do with cards.
func (a *analysis) abilitiesOf(p *principal) (can []string, err error) {
	for i, of := range abilities {
		if of.any {
			continue
		}
		verdict, err := a.verdict(p, i)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(verdict, "yes") {
			can = append(can, of.column)
		}
	}
	return can, nil
}

// addRoutes adds the routes that lead to functions, with their callers.
func (a *analysis) addRoutes(f *dataflow.Flow) {
	for _, r := range a.inv.Routes {
		function := a.functionOf(r)
		if function == nil {
			continue
		}
		caller := dataflow.Caller{Name: "everybody", Note: "there is no authorizer"}
		if r.Authorizer != "" {
			caller = dataflow.Caller{Name: r.Authorizer, Note: "its users"}
		}
		if !slices.Contains(f.Callers, caller) {
			f.Callers = append(f.Callers, caller)
		}
		inScope := slices.ContainsFunc(f.Actors, func(a dataflow.Actor) bool {
			return a.Name == function.Path && a.InScope
		})
		f.Routes = append(f.Routes, dataflow.Route{
			API: r.API, Name: r.Method + " " + r.Path, Caller: caller.Name, Actor: function.Path, InScope: inScope,
		})
	}
}
