/* Private: linejudge model check|bench DIR, which needs no EAL. */
#ifndef MODEL_COMMAND_H
#define MODEL_COMMAND_H

/* argv[0] is "model". Returns the exit code. */
int model_command(int argc, char **argv);

#endif
