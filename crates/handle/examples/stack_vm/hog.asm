; Keeps strings until there is no memory, twice; then forgets them and goes on.

fn main 0
    local kept
    local times
    int 0
    store times
again:
    array
    store kept
    try full
hog:
    load kept
    string a_string_that_is_kept_
    load times
    concat
    push
    jump hog
full:                   ; what was caught is on the stack
    pop
    nil
    store kept          ; lets go
    load times
    int 1
    add
    store times
    load times
    int 2
    equal
    jump_unless again
    string caught_
    load times
    concat
    return
