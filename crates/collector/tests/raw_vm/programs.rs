//! Programs, as people write them.

/// Functions that programs share.
pub(crate) const LIBRARY: &str = "
(define (not x) (if x false true))
(define (length list) (let ((n 0)) (while (not (null? list)) (set! n (+ n 1)) (set! list (cdr list))) n))
(define (reverse list) (let ((out nil)) (while (not (null? list)) (set! out (cons (car list) out)) (set! list (cdr list))) out))
(define (map f list) (let ((out nil)) (while (not (null? list)) (set! out (cons (f (car list)) out)) (set! list (cdr list))) (reverse out)))
(define (range n) (let ((out nil)) (while (< 0 n) (set! n (- n 1)) (set! out (cons n out))) out))
(define (random-from seed) (lambda (below) (set! seed (rem (+ (* seed 1103) 12345) 65536)) (rem (if (< seed 0) (- 0 seed) seed) below)))
";

/// All placements of queens on a board: recursion and lists.
pub(crate) const QUEENS: &str = "
(define (fits? row placed) (let ((d 1) (good true))
    (while (not (null? placed))
        (let ((other (car placed)))
            (if (eq? other row) (set! good false))
            (if (eq? (+ other d) row) (set! good false))
            (if (eq? (- other d) row) (set! good false)))
        (set! d (+ d 1))
        (set! placed (cdr placed)))
    good))
(define (place left size placed found) (if (eq? left 0)
    (cons placed found)
    (let ((row 0))
        (while (< row size)
            (if (fits? row placed) (set! found (place (- left 1) size (cons row placed) found)))
            (set! row (+ row 1)))
        found)))
(let ((all (place 6 6 nil nil))) (cons (length all) all))
";

/// A text that grows piece by piece, and its checksum.
pub(crate) const TEXTS: &str = "
(define (sum all) (let ((at 0) (sum 0))
    (while (< at (tlen all)) (set! sum (+ (* sum 31) (tref all at))) (set! at (+ at 1)))
    sum))
(let ((n 0) (all \"\"))
    (while (< n 400)
        (set! all (append all (append \", \" (text n))))
        (set! n (+ n 1)))
    (cons (sum all) (cons (tlen all) all)))
";

/// A graph in an array large enough to be marked by pieces, whose edges change all the time.
pub(crate) const GRAPH: &str = "
(define size 12000)
(define graph (make-array size nil))
(define random (random-from 7))
(define (swap! i j) (let ((x (aref graph i))) (aset! graph i (aref graph j)) (aset! graph j x)))
(define (hang! i j) (let ((x (aref graph i)) (y (aref graph j)))
    (set-cdr! x (if (null? (cdr y)) nil (cdr (cdr y))))
    (aset! graph i (cons i nil))
    (set-cdr! y x)))
(let ((n 0)) (while (< n size) (aset! graph n (cons n nil)) (set! n (+ n 1))))
(let ((n 0)) (while (< n 6000)
    (swap! (random size) (random size))
    (if (eq? (rem n 3) 0) (let ((i (random size)) (j (random size))) (if (eq? i j) nil (hang! i j))))
    (set! n (+ n 1))))
(let ((n 0) (out nil))
    (while (< n size)
        (let ((x (aref graph n)) (path nil) (depth 0))
            (while (< depth 4)
                (set! path (cons (if (null? x) 0 1) path))
                (set! x (if (null? x) nil (cdr x)))
                (set! depth (+ depth 1)))
            (set! out (cons path out)))
        (set! n (+ n 300)))
    (cons graph out))
";

/// A merge sort of a list, and a bubble sort of an array of boxes.
pub(crate) const SORTS: &str = "
(define (merge a b) (let ((out nil))
    (while (if (null? a) false (not (null? b)))
        (if (< (car b) (car a))
            (begin (set! out (cons (car b) out)) (set! b (cdr b)))
            (begin (set! out (cons (car a) out)) (set! a (cdr a)))))
    (while (not (null? a)) (set! out (cons (car a) out)) (set! a (cdr a)))
    (while (not (null? b)) (set! out (cons (car b) out)) (set! b (cdr b)))
    (reverse out)))
(define (sort list) (if (if (null? list) true (null? (cdr list))) list
    (let ((a nil) (b nil))
        (while (not (null? list))
            (set! a (cons (car list) a))
            (let ((c a)) (set! a b) (set! b c))
            (set! list (cdr list)))
        (merge (sort a) (sort b)))))
(define random (random-from 99))
(define (bubble! array) (let ((i 0))
    (while (< i (alen array))
        (let ((j 1))
            (while (< j (alen array))
                (let ((x (aref array (- j 1))) (y (aref array j)))
                    (if (< (car y) (car x)) (begin (aset! array j x) (aset! array (- j 1) y))))
                (set! j (+ j 1))))
        (set! i (+ i 1)))
    array))
(define boxes (make-array 40 nil))
(let ((n 0)) (while (< n 40) (aset! boxes n (cons (/ (random 1000) 8) nil)) (set! n (+ n 1))))
(cons (sort (map (lambda (x) (random 5000)) (range 500))) (bubble! boxes))
";

/// Functions that share what they captured, and change it.
pub(crate) const CLOSURES: &str = "
(define (counter step) (let ((n 0) (log nil))
    (cons (lambda () (set! n (+ n step)) (set! log (cons n log)) n) (lambda () log))))
(define (compose f g) (lambda (x) (f (g x))))
(define (power f n) (if (eq? n 0) (lambda (x) x) (compose f (power f (- n 1)))))
(define counters (map counter (range 50)))
(let ((n 0)) (while (< n 30)
    (map (lambda (c) (let ((tick (car c))) (tick))) counters)
    (set! n (+ n 1))))
(cons ((power (lambda (x) (+ x 3)) 40) 2) (map (lambda (c) (let ((log (cdr c))) (log))) counters))
";

/// Tables of tables: what changes under a log. Many are dropped.
pub(crate) const TABLES: &str = "
(define tables (make-array 1500 nil))
(define random (random-from 31))
(let ((n 0)) (while (< n 1500)
    (aset! tables n (table))
    (let ((k 0)) (while (< k 6) (put! (aref tables n) k (cons n k)) (set! k (+ k 1))))
    (set! n (+ n 1))))
(let ((n 0)) (while (< n 4000)
    (let ((a (aref tables (random 1500))) (b (aref tables (random 1500))) (k (random 6)))
        (let ((x (get a k)))
            (cons n n)
            (put! a k (get b k))
            (put! b k x)
            (if (eq? (rem n 50) 0) (aset! tables (random 1500) (table)))))
    (set! n (+ n 1))))
(let ((n 0) (out nil)) (while (< n 1500) (set! out (cons (aref tables n) out)) (set! n (+ n 15))) out)
";

/// Weak boxes of what is kept.
pub(crate) const WEAKS: &str = "
(define kept (map (lambda (n) (cons n n)) (range 300)))
(define weaks (map (lambda (x) (weak x)) kept))
(define churn (let ((n 0)) (while (< n 3000) (weak (cons n n)) (set! n (+ n 1))) n))
(map (lambda (w) (strong w)) weaks)
";
