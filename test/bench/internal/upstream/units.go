package upstream

import "encoding/base64"

// Units are DynamoDB's request units, computed from the sizes of items as AWS documents: a write costs one unit for
// each 1 KB of the larger of the item before and after, a consistent read one for each 4 KB, at least one each; a
// transaction costs twice.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
type Units struct{ Writes, Reads int64 }

// Units returns what all requests so far have cost.
func (s *Server) Units() Units {
	s.tables.mu.Lock()
	defer s.tables.mu.Unlock()
	return s.tables.units
}

// Since returns what was used after earlier.
func (u Units) Since(earlier Units) Units {
	return Units{u.Writes - earlier.Writes, u.Reads - earlier.Reads}
}

// write adds a write. One that is refused by its condition costs as well.
func (u *Units) write(w *write, factor int64) {
	u.Writes += factor * blocks(max(size(w.old), size(w.after)), 1<<10)
}

func (u *Units) read(item []byte) { u.Reads += blocks(size(item), 4<<10) }

func blocks(size, block int64) int64 { return max(1, (size+block-1)/block) }

// size is the size of an item: names and contents. A number has about one byte for two digits, and one more.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func size(item []byte) (n int64) {
	if item == nil {
		return 0
	}
	_ = members(item, func(name, value []byte) bool {
		kind, content := typed(value)
		n += int64(len(name))
		switch kind {
		case "B":
			n += int64(base64.StdEncoding.DecodedLen(len(content)))
			for i := len(content) - 1; i >= 0 && content[i] == '='; i-- {
				n--
			}
		case "N":
			n += int64(len(content)+1)/2 + 1
		default:
			n += int64(len(content))
		}
		return true
	})
	return n
}
