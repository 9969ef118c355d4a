"""What Prometheus and orchestrators ask of our processes: metrics, and whether they are well."""
