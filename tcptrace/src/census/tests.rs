//! Literal histories.

use super::*;
