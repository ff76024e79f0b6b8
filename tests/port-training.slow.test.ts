import { everyExecutor } from "./onednn.ts";
import { portTrainingTests, quickForms, slowForms } from "./port-training.ts";

const { reference: _, ...engines } = everyExecutor();
portTrainingTests([...quickForms, ...slowForms], engines);
