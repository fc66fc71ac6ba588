//! One file for each tracepoint or function.

mod idle;
mod receive_reset;
mod retransmit;
mod send_reset;
mod set_state;
mod time_wait;
