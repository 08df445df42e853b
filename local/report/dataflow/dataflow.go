// Package dataflow draws the architecture as an SVG: callers, the routes of APIs, the functions behind them, and the
// keys and tables that these may use.
//
//	svg := dataflow.SVG(dataflow.Flow{Actors: actors, Stores: stores, Uses: uses})
//
// The same flow always gives the same bytes. The drawing needs no fonts and no other files.
package dataflow

// Flow is the content of the diagram, from left to right. Its parts refer to each other by their names.
type Flow struct {
	Callers []Caller
	Routes  []Route
	Actors  []Actor
	Stores  []Store
	Uses    []Use
}

// Caller calls routes.
type Caller struct{ Name, Note string }

// Route is where an API sends requests to an actor.
type Route struct {
	API, Name     string
	Caller, Actor string
	InScope       bool
}

// Actor uses stores: a function, or somebody else.
type Actor struct {
	Name    string
	Notes   []string
	Layers  []string // whose extensions run beside it
	InScope bool
}

// Store is a key or a table.
type Store struct {
	Name, Note string
	InScope    bool
}

// Use is what an actor may do with a store.
type Use struct{ Actor, Store, What string }
