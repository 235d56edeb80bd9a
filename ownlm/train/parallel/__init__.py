"""Training in many places at once: the mesh, what each place holds of the model, launching the processes."""
