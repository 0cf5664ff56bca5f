//! gRPC clients and servers of the ports that are crossed between processes.
