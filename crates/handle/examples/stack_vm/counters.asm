; Two counters from one function: each call of `counter` makes a variable of its own.

fn main 0
    local first
    local second
    closure counter 0
    call 0
    store first
    closure counter 0
    call 0
    store second
    load first
    call 0
    pop
    load first
    call 0
    pop
    load first          ; 3
    call 0
    int 10
    mul
    load second         ; 1
    call 0
    add
    return              ; 31

fn counter 0
    int 0
    variable
    closure count 1     ; takes the variable along
    return

fn count 0
    captured 0
    captured 0
    get_variable
    int 1
    add
    set_variable        ; leaves the value
    return
