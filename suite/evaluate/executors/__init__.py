"""How the stages of an evaluation are carried out: in this process, or as pools of Ray Data actors."""
