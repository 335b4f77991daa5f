; The sum of the elements of an array, and a text about it.

fn main 0
    local squares
    local n
    local sum
    array
    store squares
    int 0
    store n
    int 0
    store sum
fill:
    load n
    int 100
    less
    jump_unless filled
    load squares
    load n
    load n
    mul
    push
    load n
    int 1
    add
    store n
    jump fill
filled:
    load n
    int 0
    equal
    jump_unless next
    string the_sum_is_
    load sum
    concat
    return
next:
    load n
    int 1
    sub
    store n
    load sum
    load squares
    load n
    element
    add
    store sum
    jump filled
