//! Streams: numbers over time, from few parts.
//!
//! A stream has a value at every time and no state, so it can be asked in any order and gives the same values in every run.
//! Time is in seconds; of which clock, says the user of the stream. Only `+ - * /` go into values, so they are the same
//! on every machine.

/// A number over time.
#[derive(Clone, PartialEq, Debug)]
pub struct Stream(Shape);

#[derive(Clone, PartialEq, Debug)]
enum Shape {
    Constant(f64),
    Ramp { from: f64, to: f64, over: f64 },
    Step { before: f64, after: f64, at: f64 },
    Oscillate { amplitude: f64, phase: f64, period: f64 },
    Random { amplitude: f64, every: f64, seed: u64 },
    Burst { low: f64, high: f64, every: f64, duty: f64 },
    Phase { values: Vec<f64>, each: f64 },
    Jump { base: f64, high: f64, at: f64, lasts: f64 },
    Sum(Box<(Shape, Shape)>),
    Min(Box<(Shape, Shape)>),
    Max(Box<(Shape, Shape)>),
    Product(Box<(Shape, Shape)>),
    Delay(Box<Shape>, f64),
    Scale(Box<Shape>, f64),
    Offset(Box<Shape>, f64),
    Quantize(Box<Shape>, f64),
    Limit(Box<Shape>, f64, f64),
}

impl Stream {
    /// Always the same.
    pub fn constant(value: f64) -> Stream {
        Stream(Shape::Constant(value))
    }

    /// From one value to another in some time; then it stays.
    pub fn ramp(from: f64, to: f64, over: f64) -> Stream {
        Stream(Shape::Ramp { from, to, over })
    }

    /// One value, and from some time on another.
    pub fn step(before: f64, after: f64, at: f64) -> Stream {
        Stream(Shape::Step { before, after, at })
    }

    /// A sine around zero. `phase` is in periods.
    pub fn oscillate(amplitude: f64, phase: f64, period: f64) -> Stream {
        Stream(Shape::Oscillate { amplitude, phase, period })
    }

    /// Evenly spread around zero, another value every so often.
    pub fn random(amplitude: f64, every: f64, seed: u64) -> Stream {
        Stream(Shape::Random { amplitude, every, seed })
    }

    /// High for a part of each period, from its begin.
    pub fn burst(low: f64, high: f64, every: f64, duty: f64) -> Stream {
        Stream(Shape::Burst { low, high, every, duty })
    }

    /// These values in turn, each for some time.
    pub fn phase(values: &[f64], each: f64) -> Stream {
        Stream(Shape::Phase { values: values.to_vec(), each })
    }

    /// High for some time, once.
    pub fn jump(base: f64, high: f64, at: f64, lasts: f64) -> Stream {
        Stream(Shape::Jump { base, high, at, lasts })
    }

    /// A value, but nothing from one time to another.
    pub fn idle(value: f64, from: f64, to: f64) -> Stream {
        Stream::jump(value, 0.0, from, to - from)
    }

    /// A value that is off by up to `relative` of itself, by another amount every so often.
    pub fn jitter(self, relative: f64, every: f64, seed: u64) -> Stream {
        let around_one = Shape::Offset(Box::new(Shape::Random { amplitude: relative, every, seed }), 1.0);
        Stream(Shape::Product(Box::new((self.0, around_one))))
    }

    /// Both together.
    pub fn sum(self, other: Stream) -> Stream {
        Stream(Shape::Sum(Box::new((self.0, other.0))))
    }

    /// The smaller of both.
    pub fn min(self, other: Stream) -> Stream {
        Stream(Shape::Min(Box::new((self.0, other.0))))
    }

    /// The larger of both.
    pub fn max(self, other: Stream) -> Stream {
        Stream(Shape::Max(Box::new((self.0, other.0))))
    }

    /// The same, later; before, the first value.
    pub fn delay(self, by: f64) -> Stream {
        Stream(Shape::Delay(Box::new(self.0), by))
    }

    /// So many times as much.
    pub fn scale(self, by: f64) -> Stream {
        Stream(Shape::Scale(Box::new(self.0), by))
    }

    /// So much more.
    pub fn offset(self, by: f64) -> Stream {
        Stream(Shape::Offset(Box::new(self.0), by))
    }

    /// Cut to multiples of `step`.
    pub fn quantize(self, step: f64) -> Stream {
        Stream(Shape::Quantize(Box::new(self.0), step))
    }

    /// Not below `least` and not above `most`.
    pub fn limit(self, least: f64, most: f64) -> Stream {
        Stream(Shape::Limit(Box::new(self.0), least, most.max(least)))
    }

    /// The value at a time.
    #[inline]
    pub fn at(&self, time: f64) -> f64 {
        match self.0 {
            Shape::Constant(value) => value,
            ref shape => shape.at(time),
        }
    }

    /// The time after this one until which the value may be taken for constant; infinite if it never changes again.
    ///
    /// Jumps are hit exactly; ramps and sines go in steps of a 64th of the ramp and a 32nd of the period.
    pub fn next_change(&self, time: f64) -> f64 {
        match self.0 {
            Shape::Constant(_) => f64::INFINITY,
            ref shape => shape.next_change(time),
        }
    }
}

impl Shape {
    fn at(&self, time: f64) -> f64 {
        match self {
            Shape::Constant(value) => *value,
            Shape::Ramp { from, to, over } if time < *over => from + (to - from) * (time / over).max(0.0),
            Shape::Ramp { to, .. } => *to,
            Shape::Step { before, after, at } => *(if time < *at { before } else { after }),
            Shape::Oscillate { amplitude, phase, period } => amplitude * sine(time / period + phase),
            Shape::Random { amplitude, every, seed } => amplitude * random((time / every) as u64, *seed),
            Shape::Burst { low, high, every, duty } => {
                *(if part_of(time / every) < *duty { high } else { low })
            }
            Shape::Phase { values, each } => match values.len() {
                0 => 0.0,
                len => values[(time / each) as usize % len],
            },
            Shape::Jump { base, high, at, lasts } => {
                *(if (*at..at + lasts).contains(&time) { high } else { base })
            }
            Shape::Sum(both) => both.0.at(time) + both.1.at(time),
            Shape::Min(both) => both.0.at(time).min(both.1.at(time)),
            Shape::Max(both) => both.0.at(time).max(both.1.at(time)),
            Shape::Product(both) => both.0.at(time) * both.1.at(time),
            Shape::Delay(inner, by) => inner.at((time - by).max(0.0)),
            Shape::Scale(inner, by) => inner.at(time) * by,
            Shape::Offset(inner, by) => inner.at(time) + by,
            Shape::Quantize(inner, step) => (inner.at(time) / step).floor() * step,
            Shape::Limit(inner, least, most) => inner.at(time).max(*least).min(*most),
        }
    }

    fn next_change(&self, time: f64) -> f64 {
        let first_after = |times: &[f64]| {
            times.iter().copied().filter(|&change| change > time).fold(f64::INFINITY, f64::min)
        };
        match self {
            Shape::Constant(_) => f64::INFINITY,
            Shape::Ramp { over, .. } => first_after(&[next_multiple(time, over / 64.0).min(*over)]),
            Shape::Step { at, .. } => first_after(&[*at]),
            Shape::Oscillate { period, .. } => next_multiple(time, period / 32.0),
            Shape::Random { every, .. } => next_multiple(time, *every),
            Shape::Burst { every, duty, .. } => {
                let next = next_multiple(time, *every);
                first_after(&[next - every + every * duty, next])
            }
            Shape::Phase { each, .. } => next_multiple(time, *each),
            Shape::Jump { at, lasts, .. } => first_after(&[*at, at + lasts]),
            Shape::Sum(both) | Shape::Min(both) | Shape::Max(both) | Shape::Product(both) => {
                both.0.next_change(time).min(both.1.next_change(time))
            }
            Shape::Delay(_, by) if time < *by => *by,
            Shape::Delay(inner, by) => inner.next_change(time - by) + by,
            Shape::Scale(inner, _)
            | Shape::Offset(inner, _)
            | Shape::Quantize(inner, _)
            | Shape::Limit(inner, ..) => inner.next_change(time),
        }
    }
}

/// The first multiple of a step after a time.
fn next_multiple(time: f64, step: f64) -> f64 {
    let next = ((time / step).floor() + 1.0) * step;
    if next > time { next } else { next + step }
}

/// What stands behind the point.
fn part_of(number: f64) -> f64 {
    number - number.floor()
}

/// A sine over turns, by a polynomial on a quarter of a turn: off by less than 10^-8.
fn sine(turns: f64) -> f64 {
    let part = part_of(turns);
    // Each quarter is the first one, mirrored.
    let (sign, half) = if part < 0.5 { (1.0, part) } else { (-1.0, part - 0.5) };
    let quarter = if half < 0.25 { half } else { 0.5 - half };
    let x = quarter * std::f64::consts::TAU;
    let square = x * x;
    let series = [-1.0 / 39_916_800.0, 1.0 / 362_880.0, -1.0 / 5040.0, 1.0 / 120.0, -1.0 / 6.0, 1.0];
    sign * x * series.into_iter().fold(0.0, |sum, term| sum * square + term)
}

/// A number from -1 to 1, evenly spread, the same for the same step and seed: the finalizer of splitmix64.
fn random(step: u64, seed: u64) -> f64 {
    let n = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(step.wrapping_mul(0xD1B5_4A32_D192_ED03));
    let n = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let n = n ^ (n >> 31);
    (n >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: each shape has its values. Method: a few times of each.
    #[test]
    fn shapes_have_their_values() {
        let values = |stream: &Stream, times: [f64; 4]| times.map(|time| stream.at(time));
        assert_eq!(values(&Stream::ramp(1.0, 3.0, 2.0), [0.0, 1.0, 2.0, 9.0]), [1.0, 2.0, 3.0, 3.0]);
        assert_eq!(values(&Stream::step(1.0, 2.0, 1.0), [0.0, 0.9, 1.0, 9.0]), [1.0, 1.0, 2.0, 2.0]);
        assert_eq!(values(&Stream::burst(1.0, 5.0, 1.0, 0.25), [0.0, 0.3, 7.1, 7.5]), [5.0, 1.0, 5.0, 1.0]);
        assert_eq!(values(&Stream::phase(&[1.0, 2.0], 3.0), [0.0, 3.0, 6.0, 9.5]), [1.0, 2.0, 1.0, 2.0]);
        assert_eq!(values(&Stream::jump(1.0, 9.0, 2.0, 1.0), [1.9, 2.0, 2.9, 3.0]), [1.0, 9.0, 9.0, 1.0]);
        assert_eq!(values(&Stream::idle(4.0, 1.0, 2.0), [0.0, 1.0, 1.9, 2.0]), [4.0, 0.0, 0.0, 4.0]);
        let ramp = || Stream::ramp(0.0, 10.0, 10.0);
        assert_eq!(values(&ramp().delay(2.0), [0.0, 2.0, 4.0, 12.0]), [0.0, 0.0, 2.0, 10.0]);
        assert_eq!(values(&ramp().scale(2.0).offset(1.0), [0.0, 1.0, 2.0, 10.0]), [1.0, 3.0, 5.0, 21.0]);
        assert_eq!(values(&ramp().quantize(4.0), [0.0, 3.9, 4.0, 9.0]), [0.0, 0.0, 4.0, 8.0]);
        assert_eq!(values(&ramp().limit(2.0, 5.0), [0.0, 3.0, 5.0, 9.0]), [2.0, 3.0, 5.0, 5.0]);
        let five = || Stream::constant(5.0);
        assert_eq!(values(&ramp().min(five()), [0.0, 3.0, 5.0, 9.0]), [0.0, 3.0, 5.0, 5.0]);
        assert_eq!(values(&ramp().max(five()), [0.0, 3.0, 5.0, 9.0]), [5.0, 5.0, 5.0, 9.0]);
        assert_eq!(values(&ramp().sum(five()), [0.0, 3.0, 5.0, 9.0]), [5.0, 8.0, 10.0, 14.0]);
    }

    /// Goal: between two changes nothing changes. Method: values on both sides of each change, and between them.
    #[test]
    fn changes_are_where_they_are_said() {
        let streams = [
            Stream::burst(1.0, 5.0, 0.7, 0.3),
            Stream::phase(&[1.0, 2.0, 3.0], 0.31),
            Stream::random(1.0, 0.13, 7),
            Stream::step(1.0, 2.0, 3.0).sum(Stream::jump(0.0, 9.0, 2.5, 0.01)).delay(1.0),
            Stream::constant(3.0).jitter(0.5, 0.11, 1).limit(2.8, 3.2).scale(2.0).offset(1.0),
        ];
        for stream in streams {
            let (mut time, mut changes) = (0.0, 0);
            while time < 20.0 {
                let next = stream.next_change(time).min(20.0);
                assert!(next > time);
                // What is shorter is rounding.
                let is_stretch = next - time > 1e-9;
                let at = |part: f64| stream.at(time + (next - time) * part);
                assert!(
                    !is_stretch || (at(0.01) == at(0.5) && at(0.5) == at(0.99)),
                    "{stream:?} from {time} to {next}"
                );
                (time, changes) = (next, changes + 1);
            }
            assert!(changes >= 4, "{stream:?}");
        }
        assert_eq!(Stream::ramp(0.0, 1.0, 2.0).next_change(2.0), f64::INFINITY);
        assert_eq!(Stream::constant(1.0).scale(2.0).next_change(0.0), f64::INFINITY);
    }

    /// Goal: the sine is one. Method: against that of the standard library.
    #[test]
    fn the_sine_is_one() {
        for step in -100..1000 {
            let turns = f64::from(step) / 97.0;
            let expected = (turns * std::f64::consts::TAU).sin();
            let error = Stream::oscillate(1.0, 0.0, 1.0).at(turns) - expected;
            assert!(error.abs() < 1e-7, "{turns}: off by {error}");
        }
    }

    /// Goal: random values are spread evenly, and the seed rules them. Method: means over many steps.
    #[test]
    fn random_values_are_spread() {
        let mean = |seed| {
            let stream = Stream::random(1.0, 1.0, seed);
            let values: Vec<f64> = (0..10_000).map(|step| stream.at(f64::from(step))).collect();
            assert!(values.iter().all(|value| (-1.0..=1.0).contains(value)));
            assert!(values.iter().any(|&value| value > 0.99) && values.iter().any(|&value| value < -0.99));
            values.iter().sum::<f64>() / 10_000.0
        };
        assert!(mean(1).abs() < 0.03 && mean(2).abs() < 0.03);
        assert_ne!(mean(1), mean(2));
        let jitter = Stream::constant(100.0).jitter(0.1, 1.0, 3);
        assert!((0..1000).all(|step| (90.0..=110.0).contains(&jitter.at(f64::from(step)))));
    }
}
