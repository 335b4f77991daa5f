//! Who marks: the share of the cores that workers take while a cycle runs.
//!
//! Background marking aims at a quarter of the CPU. Whole cores go to dedicated workers. Where rounding would miss the
//! quarter by more than 30 %, one worker fewer is dedicated and every core gives a fraction of its time. Cores that have
//! nothing to do may mark as well.

use super::assist::BACKGROUND_SHARE;

/// Beyond this error of rounding, a fraction makes up for it.
const ROUNDING_ERROR_MAX: f64 = 0.3;

/// The workers of a cycle.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Workers {
    /// Workers that mark all the time.
    pub dedicated: u32,
    /// The share of its time that each core gives besides.
    pub fraction: f64,
    /// The most workers on cores that are idle.
    pub idle_max: u32,
}

impl Workers {
    /// The workers for so many cores. A cycle that is only periodic wakes no idle core, for nobody is in a hurry.
    pub fn on(cores: u32, is_periodic: bool) -> Workers {
        let cores = cores.max(1);
        let wanted = BACKGROUND_SHARE * f64::from(cores);
        let mut dedicated = (wanted + 0.5) as u32;
        let error = f64::from(dedicated) / wanted - 1.0;
        let mut fraction = 0.0;
        if !(-ROUNDING_ERROR_MAX..=ROUNDING_ERROR_MAX).contains(&error) {
            if f64::from(dedicated) > wanted {
                dedicated -= 1;
            }
            fraction = (wanted - f64::from(dedicated)) / f64::from(cores);
        }
        let idle_max = match is_periodic {
            true => u32::from(dedicated == 0),
            false => cores - dedicated,
        };
        Workers { dedicated, fraction, idle_max }
    }

    /// The share of all cores that marking takes without idle ones.
    pub fn share_of(&self, cores: u32) -> f64 {
        f64::from(self.dedicated) / f64::from(cores.max(1)) + self.fraction
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Goal: the published table. Method: each of its core counts.
    #[test]
    fn a_quarter_of_the_cores_marks() {
        let table =
            [(1, 0, 0.25), (2, 0, 0.25), (3, 0, 0.25), (4, 1, 0.0), (5, 1, 0.0), (8, 2, 0.0), (16, 4, 0.0)];
        for (cores, dedicated, fraction) in table {
            let workers = Workers::on(cores, false);
            assert_eq!((workers.dedicated, workers.fraction), (dedicated, fraction), "{cores} cores");
            assert_eq!(workers.idle_max, cores - dedicated);
        }
        let six = Workers::on(6, true);
        assert_eq!((six.dedicated, six.idle_max), (1, 0));
        assert!((six.fraction - 0.5 / 6.0).abs() < 1e-12 && (six.share_of(6) - 0.25).abs() < 1e-12);
        assert_eq!(Workers::on(2, true).idle_max, 1);
        assert_eq!(Workers::on(0, false), Workers::on(1, false));
    }
}
